// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream@.service and its socket, as far as they can be tried without a running systemd.
#include "support/integration_test.hpp"
#include "support/systemd_units.hpp"

#include <sstream>

namespace nbdstream::test {
namespace {

class SystemdUnit : public integration_test {
 protected:
  SystemdUnit() {
    service_ =
        with_the_program_of_this_build(read_file(NBDSTREAM_BUILD "/packaging/nbdstream@.service"));
    write_file(path("nbdstream@.service"), service_);
    write_file(path("nbdstream@.socket"),
               read_file(source_directory + "/packaging/nbdstream@.socket"));
  }

  result analyze(const arguments& args) const {
    arguments argv{"systemd-analyze"};
    argv.insert(argv.end(), args.begin(), args.end());
    return start(argv).wait();
  }

  /// The program and arguments of ExecStart, for the configuration test.toml.
  arguments command() const {
    std::istringstream line(value_of("ExecStart", service_));
    arguments argv;
    for (std::string word; line >> word;) argv.push_back(word);
    EXPECT_TRUE(argv.back().ends_with("/nbdstream/%i.toml")) << argv.back();
    argv.back() = "test.toml";
    return argv;
  }

 private:
  std::string service_;
};

TEST_F(SystemdUnit, ExposureLevelIsBelow2) {
  const result rated =
      analyze({"security", "--offline=true", "--threshold=19", "--no-pager", "nbdstream@.service"});
  EXPECT_TRUE(ended_with(0, rated)) << rated.out;
  EXPECT_TRUE(mentions(rated.out, "Overall exposure level"));
}

TEST_F(SystemdUnit, PassesSystemdAnalyzeVerify) {
  for (const std::string name : {"nbdstream@.service", "nbdstream@.socket"}) {
    const result seen = analyze({"verify", "--man=no", "./" + name});
    EXPECT_TRUE(ended_with(0, seen));
    EXPECT_EQ(seen.err.find("nbdstream@"), std::string::npos) << seen.err;
  }
}

TEST_F(SystemdUnit, ServesSocketWithItsConfiguration) {
  write_file(path("test.toml"),
             "[[export]]\n[export.sink]\nmodule = \"fifo\"\npath = \"output\"\n");
  arguments argv{"systemd-socket-activate", "-l", path("sock").string(), "-E", "TMPDIR"};
  const arguments served = command();
  argv.insert(argv.end(), served.begin(), served.end());
  process server = start(argv);
  wait_for("sock");
  process writer = start_client("h.pwrite(b'hello', 0); h.shutdown()");
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, writer.wait()));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

}  // namespace
}  // namespace nbdstream::test
