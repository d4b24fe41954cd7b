// SPDX-License-Identifier: BSD-3-Clause
//
// Several exports in one process. Each has its own sink and stream, and does not delay the others.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

std::string uri_of(const std::string& name) {
  return "nbd+unix:///" + name + "?socket=sock";
}

class Exports : public integration_test {
 protected:
  /// Starts nbdstream with a configuration of two exports: vm1 writes to `sink`, vm2 to a FIFO.
  process start_with(const std::string& sink, const arguments& more = {}) {
    write_file(path("two.toml"), "[[export]]\nname = \"vm1\"\n[export.sink]\n" + sink +
                                     "\n[[export]]\nname = \"vm2\"\n[export.sink]\n"
                                     "module = \"fifo\"\npath = \"vm2.fifo\"\n");
    arguments args{"--config", "two.toml"};
    args.insert(args.end(), more.begin(), more.end());
    return start_listening(args);
  }

  /// Begins a stream on vm1, and stays connected.
  process start_stuck_client() {
    process stuck = start_client("write_and_stay(b'stuck')", uri_of("vm1"));
    wait_for("sent");
    return stuck;
  }

  /// Sends a complete stream through vm2, whatever the state of vm1 is.
  void expect_vm2_works() {
    process reader = start_reader("vm2.fifo", "vm2.raw");
    const result wrote = client("h.pwrite(b'to vm2', 0); h.shutdown()", uri_of("vm2"));
    EXPECT_TRUE(ended_with(0, wrote));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    EXPECT_TRUE(holds(path("vm2.raw"), "to vm2"));
  }
};

TEST_F(Exports, HaveASinkAndAStreamEach) {
  process server = start_with("module = \"fifo\"\npath = \"vm1.fifo\"");
  process reader = start_reader("vm1.fifo", "vm1.raw");
  expect_vm2_works();
  EXPECT_TRUE(server.running());
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'to vm1', 0); h.shutdown()", uri_of("vm1"))));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("vm1.raw"), "to vm1"));
}

TEST_F(Exports, AreListedWithTheirDescriptions) {
  write_file(path("two.toml"),
             "[[export]]\nname = \"vm1\"\ndescription = \"the first, caf\u00e9\"\n"
             "[export.sink]\npath = \"vm1.fifo\"\n"
             "[[export]]\nname = \"vm2\"\n[export.sink]\npath = \"vm2.fifo\"\n");
  process server = start_listening({"--config", "two.toml"});
  const result listed = start({"nbdinfo", "--list", "--json", "nbd+unix:///?socket=sock"}).wait();
  EXPECT_TRUE(ended_with(0, listed));
  write_file(path("listed.json"), listed.out);
  EXPECT_EQ(start({"/usr/bin/python3", "-c",
                   "import json\nfor e in json.load(open('listed.json'))['exports']:"
                   " print(ascii(e['export-name']), ascii(e.get('description')))"})
                .wait()
                .out,
            "'vm1' 'the first, caf\\xe9'\n'vm2' None\n");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

/// The server cannot know which of several named exports a client means by the empty name.
TEST_F(Exports, DefaultAmongSeveralNeedsTheEmptyName) {
  process server = start_with("module = \"fifo\"\npath = \"vm1.fifo\"");
  const result refused = start({"nbdinfo", uri_of("")}).wait();
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(mentions(refused.err, "No such file or directory for the default export"));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  write_file(path("two.toml"),
             "[[export]]\nname = \"vm1\"\nsize = \"1M\"\n[export.sink]\npath = \"vm1.fifo\"\n"
             "[[export]]\nsize = \"2M\"\n[export.sink]\npath = \"vm2.fifo\"\n");
  std::filesystem::remove(path("pid"));
  process other = start_listening({"--config", "two.toml"});
  EXPECT_EQ(start({"nbdinfo", "--size", uri_of("")}).wait().out, "2097152\n");
  other.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, other.wait()));
}

TEST_F(Exports, SingleExportIsTheDefault) {
  process server = start_listening({"--sink", "fifo:output", "-e", "disk", "--size", "3M"});
  EXPECT_EQ(start({"nbdinfo", "--size", uri_of("")}).wait().out, "3145728\n");
  EXPECT_NE(start({"nbdinfo", "--size", uri_of("other")}).wait().status, 0);
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(Exports, FailedStreamLetsOthersGoOnAndSetsExitStatus1) {
  process server = start_with("module = \"fifo\"\npath = \"vm1.fifo\"");
  process reader = start_reader("vm1.fifo", "vm1.raw");
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'no goodbye', 0)", uri_of("vm1"))));
  expect_vm2_works();
  EXPECT_TRUE(ended_with(1, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

TEST_F(Exports, MissingReaderDelaysNoOtherExport) {
  process server = start_with("module = \"fifo\"\npath = \"vm1.fifo\"");
  process stuck = start_stuck_client();
  expect_vm2_works();
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

/// Each write of the slow sink takes an hour. Only SIGTERM can end it within the test.
TEST_F(Exports, SlowSinkDelaysNeitherAnotherExportNorSigterm) {
  process server =
      start_with("module = \"" + test_modules + "/slow.so\"\ndelay = \"1h\"\nlog = \"log\"");
  process stuck = start_stuck_client();
  EXPECT_TRUE(
      eventually([&] { return read_file(path("log")).find("write") != std::string::npos; }));
  expect_vm2_works();
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  const std::string log = read_file(path("log"));
  EXPECT_TRUE(mentions(log, "interrupted\nabort\ndestroy\n"));
}

TEST_F(Exports, StuckSinkDelaysNoOtherExportAndSigtermByTheGrace) {
  process server = start_with("module = \"" + test_modules + "/stubborn.so\"\nlog = \"log\"",
                              {"--grace", "200ms"});
  process stuck = start_stuck_client();
  EXPECT_TRUE(
      eventually([&] { return read_file(path("log")).find("write") != std::string::npos; }));
  expect_vm2_works();
  server.signal(SIGTERM);
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(128 + SIGTERM, ended));
  EXPECT_TRUE(mentions(ended.err, "stubborn"));
  EXPECT_TRUE(mentions(read_file(path("log")), "interrupt ignored"));
}

TEST_F(Exports, ConfigurationFileSetsTheListenAddresses) {
  const std::string port = std::to_string(free_port());
  write_file(path("one.toml"), "[server]\nlisten = [\"unix:sock\", \"tcp:127.0.0.1:" + port +
                                   "\"]\npidfile = \"pid\"\n[[export]]\nstreams = 2\n"
                                   "[export.sink]\nmodule = \"fifo\"\npath = \"output\"\n");
  process server = start_nbdstream({"--config", "one.toml"});
  wait_for("pid");
  for (const std::string& uri : {unix_uri, "nbd://127.0.0.1:" + port}) {
    process reader = start_reader();
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()", uri)));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    EXPECT_TRUE(holds(path("out.raw"), "hello"));
  }
  EXPECT_TRUE(ended_with(0, server.wait()));
}

}  // namespace
}  // namespace nbdstream::test
