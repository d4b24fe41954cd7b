// SPDX-License-Identifier: BSD-3-Clause
//
// Sink modules of third parties: those that load, and those that are refused in one line.
#include "support/integration_test.hpp"
#include "support/seccomp.hpp"

#include <algorithm>
#include <ostream>

namespace nbdstream::test {
namespace {

/// Runs a command in which readlink() fails, so that it cannot find its own program file.
const std::string without_links_to_read = seccomp_words + R"(
calls = {'x86_64': (89, 267), 'aarch64': (78, 78)}[platform.machine()]
refuse = (give, 0, 0, FAIL + errno.ENOENT)
rules = ((load, 0, 0, 0), (equal, 1, 0, calls[0]), (equal, 0, 1, calls[1]), refuse,
         (give, 0, 0, ALLOW))
)" + seccomp_filter + "os.execvp(sys.argv[1], sys.argv[1:])\n";

class SinkModule : public integration_test {
 protected:
  result without_links(const arguments& args, const process::options& how = {}) const {
    arguments all{"python3", "-c", without_links_to_read, "nbdstream"};
    all.insert(all.end(), args.begin(), args.end());
    return start(all, how).wait();
  }

  /// The one line that refuses to load `module`.
  std::string refusal(const std::string& module) {
    const result ended = nbdstream({"--sink", module, "-U", "sock"});
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_TRUE(mentions(ended.err, std::filesystem::path(module).filename().string()));
    EXPECT_FALSE(std::filesystem::exists(path("sock")));
    return ended.err;
  }
};

/// A module or a setting, and the text that nbdstream must log for it.
struct refused {
  std::string name;
  std::string said;

  friend std::ostream& operator<<(std::ostream& out, const refused& r) { return out << r.name; }
};

class BrokenModule : public SinkModule, public ::testing::WithParamInterface<refused> {};

TEST_P(BrokenModule, IsRefusedInOneLine) {
  const std::string file = test_modules + "/" + GetParam().name + ".so";
  EXPECT_TRUE(mentions(refusal(file), GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(Faults, BrokenModule,
                         ::testing::Values(refused{"wrong_major", "ABI 2"},
                                           refused{"missing_callback", "lacks open"},
                                           refused{"short_table", "bytes"},
                                           refused{"no_entry", "nbdstream_sink_v1"},
                                           refused{"null_table", "table"}));

TEST_F(SinkModule, TextFileIsRefused) {
  write_file(path("text.so"), "I am no module.\n");
  refusal("./text.so");
}

TEST_F(SinkModule, MissingFileIsRefused) {
  EXPECT_TRUE(mentions(refusal("./missing.so"), "no such file"));
}

TEST_F(SinkModule, DirectoryIsRefused) {
  std::filesystem::create_directory(path("directory.so"));
  refusal("./directory.so");
}

TEST_F(SinkModule, BrokenModuleDoesNotHideOthersFromListSinks) {
  write_file(path("broken.so"), "I am no module.\n");
  process::options how;
  how.environment = {"NBDSTREAM_SINK_PATH=."};
  const result ended = nbdstream({"--list-sinks"}, how);
  EXPECT_TRUE(ended_with(1, ended));
  for (const char* sink : {"exec\t", "fifo\t", "stdout\t"}) EXPECT_TRUE(mentions(ended.out, sink));
  EXPECT_FALSE(mentions(ended.out, "broken"));
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_TRUE(mentions(ended.err, "broken.so: not a loadable sink module"));
}

TEST_F(SinkModule, ListSinksWorksWithoutProc) {
  const std::string listed = nbdstream({"--list-sinks"}).out;
  EXPECT_TRUE(mentions(listed, "fifo\t"));
  const result without = without_links({"--list-sinks"});
  EXPECT_TRUE(ended_with(0, without));
  EXPECT_EQ(without.out, listed);
}

TEST_F(SinkModule, SearchPathAndFilePathWorkWithoutProc) {
  process::options how;
  how.environment = {"NBDSTREAM_SINK_PATH=" + test_modules};
  EXPECT_TRUE(ended_with(0, without_links({"--dump-sink", "slow"}, how)));
  EXPECT_TRUE(ended_with(0, without_links({"--dump-sink", test_modules + "/slow.so"})));
}

/// With the command that the first lines of the template give.
TEST_F(SinkModule, TemplateBuildsWithHeaderAloneAndLoadsByPath) {
  make_disk();
  EXPECT_TRUE(ended_with(0, start({"cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared",
                                   "-fPIC", "-I", source_directory + "/core/include", "-o",
                                   "mine.so", source_directory + "/sinks/template/template.c"})
                                .wait()));
  EXPECT_TRUE(ended_with(0, nbdstream({"--sink", "./mine.so:out.raw", "--run", convert})));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

class RecorderModule : public integration_test {
 protected:
  /// Sends a stream into the recorder with more settings. The recorder writes a journal to `log`.
  result streamed(const std::string& command, const arguments& settings = {}) {
    arguments args{"--sink", test_modules + "/recorder.so:out.raw", "-o", "log=log", "--run",
                   command};
    for (const auto& setting : settings) args.insert(args.end(), {"-o", setting});
    return nbdstream(args);
  }
};

TEST_F(RecorderModule, SeesOneCommitWithExactLength) {
  make_disk();
  EXPECT_TRUE(ended_with(0, streamed(convert)));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\ncommit 8388608\ndestroy\n"));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(RecorderModule, GetsAllBytesDespiteEagainAndShortWrites) {
  make_disk(2 * MiB);
  EXPECT_TRUE(ended_with(0, streamed(convert, {"again-every=3", "short-writes=true"})));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\ncommit 2097152\ndestroy\n"));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(RecorderModule, IsNotOpenedByNbdinfo) {
  EXPECT_TRUE(ended_with(1, streamed(R"(nbdinfo "$uri")")));
  EXPECT_TRUE(holds(path("log"), "create\ndestroy\n"));
}

TEST_F(RecorderModule, SeesAbortWhenCommandFails) {
  EXPECT_TRUE(ended_with(7, streamed(client_command("h.pwrite(b'hello', 0)") + "; exit 7")));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\nabort\ndestroy\n"));
}

class FailingModule : public RecorderModule, public ::testing::WithParamInterface<refused> {};

TEST_P(FailingModule, AbortsStreamAndItsMessageIsLogged) {
  make_disk();
  const result ended = streamed(convert, {GetParam().name});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, GetParam().said));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\nabort\ndestroy\n"));
}

INSTANTIATE_TEST_SUITE_P(
    Calls, FailingModule,
    ::testing::Values(refused{"fail-open=true", "the recorder was told to fail its open"},
                      refused{"fail-write-after=100000",
                              "the recorder was told to fail this write"},
                      refused{"fail-write-after=0", "the recorder was told to fail this write"},
                      refused{"fail-commit=true", "the recorder was told to fail its commit"}));

}  // namespace
}  // namespace nbdstream::test
