// SPDX-License-Identifier: BSD-3-Clause
//
// Sinks that others wrote: those that load, and those that are refused in one sentence.
#include "support/integration_test.hpp"
#include "support/seccomp.hpp"

#include <algorithm>
#include <ostream>

namespace nbdstream::test {
namespace {

/// Runs a command in which no link can be read, and so not which program it is.
const std::string without_links_to_read = seccomp_words + R"(
calls = {'x86_64': (89, 267), 'aarch64': (78, 78)}[platform.machine()]
refuse = (give, 0, 0, FAIL + errno.ENOENT)
rules = ((load, 0, 0, 0), (equal, 1, 0, calls[0]), (equal, 0, 1, calls[1]), refuse,
         (give, 0, 0, ALLOW))
)" + seccomp_filter + "os.execvp(sys.argv[1], sys.argv[1:])\n";

class modules : public integration_test {
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

/// A case with what it must make nbdstream say.
struct refused {
  std::string name;
  std::string said;

  friend std::ostream& operator<<(std::ostream& out, const refused& r) { return out << r.name; }
};

class broken_modules : public modules, public ::testing::WithParamInterface<refused> {};

TEST_P(broken_modules, are_refused_in_one_sentence) {
  const std::string file = test_modules + "/" + GetParam().name + ".so";
  EXPECT_TRUE(mentions(refusal(file), GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(modules, broken_modules,
                         ::testing::Values(refused{"wrong_major", "ABI 2"},
                                           refused{"missing_callback", "lacks open"},
                                           refused{"short_table", "bytes"},
                                           refused{"no_entry", "nbdstream_sink_v1"},
                                           refused{"null_table", "table"}));

TEST_F(modules, text_file_is_refused) {
  write_file(path("text.so"), "I am no module.\n");
  refusal("./text.so");
}

TEST_F(modules, missing_file_is_refused) {
  EXPECT_TRUE(mentions(refusal("./missing.so"), "no such file"));
}

TEST_F(modules, directory_is_refused) {
  std::filesystem::create_directory(path("directory.so"));
  refusal("./directory.so");
}

TEST_F(modules, ThatAreBrokenDoNotHideTheOthersFromTheList) {
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

TEST_F(modules, AreFoundWithoutProc) {
  const std::string listed = nbdstream({"--list-sinks"}).out;
  EXPECT_TRUE(mentions(listed, "fifo\t"));
  const result without = without_links({"--list-sinks"});
  EXPECT_TRUE(ended_with(0, without));
  EXPECT_EQ(without.out, listed);
}

TEST_F(modules, AreFoundWithoutProcInTheSearchPathAndByTheirPath) {
  process::options how;
  how.environment = {"NBDSTREAM_SINK_PATH=" + test_modules};
  EXPECT_TRUE(ended_with(0, without_links({"--dump-sink", "slow"}, how)));
  EXPECT_TRUE(ended_with(0, without_links({"--dump-sink", test_modules + "/slow.so"})));
}

/// As its first lines tell whoever copies it.
TEST_F(modules, template_is_built_with_the_header_alone_and_loaded_by_its_path) {
  make_disk();
  EXPECT_TRUE(ended_with(0, start({"cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared",
                                   "-fPIC", "-I", source_directory + "/core/include", "-o",
                                   "mine.so", source_directory + "/sinks/template/template.c"})
                                .wait()));
  EXPECT_TRUE(ended_with(0, nbdstream({"--sink", "./mine.so:out.raw", "--run", convert})));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

class recorder : public integration_test {
 protected:
  /// A stream into the recorder with more of its settings, and the journal it leaves.
  result streamed(const std::string& command, const arguments& settings = {}) {
    arguments args{"--sink", test_modules + "/recorder.so:out.raw", "-o", "log=log", "--run",
                   command};
    for (const auto& setting : settings) args.insert(args.end(), {"-o", setting});
    return nbdstream(args);
  }
};

TEST_F(recorder, sees_one_commit_with_the_exact_length) {
  make_disk();
  EXPECT_TRUE(ended_with(0, streamed(convert)));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\ncommit 8388608\ndestroy\n"));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(recorder, may_be_not_ready_and_take_half) {
  make_disk(2 * MiB);
  EXPECT_TRUE(ended_with(0, streamed(convert, {"again-every=3", "short-writes=true"})));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\ncommit 2097152\ndestroy\n"));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(recorder, is_not_opened_by_a_client_that_only_looks) {
  EXPECT_TRUE(ended_with(1, streamed(R"(nbdinfo "$uri")")));
  EXPECT_TRUE(holds(path("log"), "create\ndestroy\n"));
}

TEST_F(recorder, sees_an_abort_when_the_command_fails) {
  EXPECT_TRUE(ended_with(7, streamed(client_command("h.pwrite(b'hello', 0)") + "; exit 7")));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\nabort\ndestroy\n"));
}

class failing_recorder : public recorder, public ::testing::WithParamInterface<refused> {};

TEST_P(failing_recorder, aborts_the_stream_and_its_words_reach_the_user) {
  make_disk();
  const result ended = streamed(convert, {GetParam().name});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, GetParam().said));
  EXPECT_TRUE(holds(path("log"), "create\nopen 1\nabort\ndestroy\n"));
}

INSTANTIATE_TEST_SUITE_P(
    modules, failing_recorder,
    ::testing::Values(refused{"fail-open=true", "the recorder was told to fail its open"},
                      refused{"fail-write-after=100000",
                              "the recorder was told to fail this write"},
                      refused{"fail-write-after=0", "the recorder was told to fail this write"},
                      refused{"fail-commit=true", "the recorder was told to fail its commit"}));

}  // namespace
}  // namespace nbdstream::test
