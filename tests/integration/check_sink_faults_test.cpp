// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream --check-sink: each check fails for a module that breaks the rule which it checks.
#include "support/check_sink_test.hpp"

namespace nbdstream::test {
namespace {

/// The words of a C comment in one line, without the asterisks.
std::string unwrapped(const std::string& text) {
  std::istringstream words(text);
  std::string all;
  for (std::string word; words >> word;)
    if (word != "*" && word != "*/") all += word + " ";
  return all;
}

/// The environment variable FAULT tells the module which fault it must have.
class FaultyModule : public CheckSink, public ::testing::WithParamInterface<fault> {
 protected:
  void are_found_in(const std::string& sink) {
    process::options how;
    how.environment = {"FAULT=" + GetParam().name};
    const result r = checked(sink, GetParam().settings, how);
    EXPECT_TRUE(ended_with(1, r)) << r.out;
    const auto lines = about(GetParam().check, r);
    EXPECT_TRUE(lines.starts_with("not ok ")) << r.out;
    EXPECT_TRUE(mentions(lines, GetParam().said));
    for (const auto& sentence : quoted(r))
      EXPECT_NE(header.find(sentence), header.npos) << sentence;
  }

 private:
  static std::vector<std::string> quoted(const result& r) {
    static constexpr std::string_view begin = "#   sink.h: \"";
    std::vector<std::string> all;
    std::istringstream lines(r.out);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(begin))
        all.push_back(line.substr(begin.size(), line.size() - begin.size() - 1));
    }
    return all;
  }

  const std::string header =
      unwrapped(read_file(source_directory + "/core/include/nbdstream/sink.h"));
};

TEST_P(FaultyModule, FailsTheCheckForItsFault) {
  are_found_in(module("faulty"));
}

const std::string first = "takes an empty stream";

INSTANTIATE_TEST_SUITE_P(
    InCalls, FaultyModule,
    ::testing::Values(
        fault{"table-has-a-full-stop", "has a table", "the description is"},
        fault{"table-has-odd-flags", "has a table", "unknown bits"},
        fault{"table-has-odd-phases", "has a table", "unknown bits"},
        fault{"create-fails", "is created", "create said -ENOENT"},
        fault{"destroy-exits", "is created", "ended in destroy: exit status 3"},
        fault{"destroy-keeps-descriptor", "is created", "destroy has left behind: descriptor"},
        fault{"destroy-keeps-thread", "is created", "1 threads"},
        fault{"log-after-destroy", "is created", "after destroy had returned"},
        fault{"one-in-a-process", "works twice", "open said -EBADF"},
        fault{"open-fails", first, "open said -EIO"},
        fault{"open-hangs", first, "hangs in open", soon},
        fault{"open-never", first, "is the other side there?", soon},
        fault{"open-at-once", first, "times within a second"},
        fault{"setting-in-open", first, "outside of create"},
        fault{"write-takes-nothing", any_sizes, "was given 1 bytes, and said that it took 0"},
        fault{"write-takes-too-much", any_sizes, "was given 1 bytes, and said that it took 2"},
        fault{"write-fails-oddly", any_sizes, "which is no errno"},
        fault{"write-blocks", any_sizes, "write has blocked the host's thread"},
        fault{"write-burns", any_sizes, "write has blocked the host's thread"},
        fault{"write-has-a-limit", "takes much at once", "write said -EFBIG"},
        fault{"explains-elsewhere", any_sizes, "explain was called outside"},
        fault{"wait-for-is-not-there", any_sizes, "there is no wait_for"},
        fault{"wait-for-nothing", any_sizes, "neither a descriptor nor a time"},
        fault{"wait-for-fails", any_sizes, "wait_for said -EIO"},
        fault{"wait-for-closed", any_sizes, "named 999, which is no open descriptor"},
        fault{"wait-for-odd-events", any_sizes, "named the events 0x4000"},
        fault{"zero-takes-nothing", "takes zeroes between data", "said that it took 0"},
        fault{"zero-takes-too-much", "takes zeroes between data", "said that it took 2"},
        fault{"zero-of-32-bits", "takes a part of a very long run of zeroes",
              "said that it took 0"},
        fault{"flush-fails", "is flushed at any point", "flush said -ENOTSUP"},
        fault{"check-fails", "answers whether", "check said -EPIPE"},
        fault{"check-says-not-now", "answers whether", "check said -EAGAIN"},
        fault{"check-blocks", "answers whether", "check has blocked the host's thread"},
        fault{"check-fails-when-woken", any_sizes, "stream 1, after 1 bytes: check said -EPIPE"},
        fault{"wake-after-destroy", "is created", "wake was called after destroy"},
        fault{"progress-of-nothing", any_sizes, "progress says that 2 bytes are safe, of 1"},
        fault{"progress-without-a-stream", first, "progress was called while no stream was open"},
        fault{"result-in-open", first, "result was called outside of commit"},
        fault{"result-of-an-odd-key", first, "with the key \"Odd key\""},
        fault{"open-takes-no-exact-size", "takes a stream whose size is known", "said -EINVAL"},
        fault{"lends-nothing", first, "there is no write"},
        fault{"lends-an-error", first, "native_fd said -EIO"},
        fault{"lends-closed", first, "999 is no open descriptor"},
        fault{"lends-read-only", first, "open for reading only"},
        fault{"lends-and-moves-wrong", "takes zeroes between data", "moved the lent descriptor"},
        fault{"lends-and-exchanges", "is flushed", "put another file in its place"},
        fault{"lends-and-changes-flags", "is flushed", "changed its flags"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    AtTheEnd, FaultyModule,
    ::testing::Values(
        fault{"commit-fails", first, "commit said -EIO (Input/output error): nobody is at home"},
        fault{"commit-hangs", first, "hangs in commit", soon},
        fault{"commit-aborts", first, "ended in commit: signal 6"},
        fault{"commit-never", first, "commit has said -EAGAIN", soon},
        fault{"commit-stays-interrupted", "is interrupted in commit", "commit said -EINTR"},
        fault{"open-stays-interrupted", "is interrupted in open", "open said -EINTR"},
        fault{"open-fails-again", "takes one stream after another", "stream 2, after 0 bytes"},
        fault{"open-fails-after-abort", "is aborted right after open", "open said -EEXIST"},
        fault{"open-keeps-descriptor", "keeps nothing of streams", "descriptor"},
        fault{"abort-crashes", "is aborted right after open", "ended in abort: signal 9"},
        fault{"abort-fails", "is aborted right after open", "abort said -EIO"},
        fault{"abort-fails-after-data", "is aborted after some data", "abort said -EIO"},
        fault{"abort-never", "is aborted right after open", "abort has said -EAGAIN", soon},
        fault{"failed-commit-then-abort-fails", "is aborted after a commit", "abort said -EIO"},
        fault{"failed-commit-then-open-fails", "is aborted after a commit", "open said -EBUSY"},
        fault{"abort-needs-open", "is aborted while open says", "abort said -EBADF"},
        fault{"abort-needs-no-commit", "is aborted while commit says", "abort said -EBADF"}),
    name_of);

class FaultyStdoutModule : public FaultyModule {};

TEST_P(FaultyStdoutModule, FailsTheCheckForItsFault) {
  are_found_in(module("faulty_stdout"));
}

INSTANTIATE_TEST_SUITE_P(
    Each, FaultyStdoutModule,
    ::testing::Values(fault{"loses-bytes", "takes much at once", "is not what was sent"},
                      // Wrong bytes arrive, or a sanitizer ends the process before.
                      fault{"keeps-pointers", any_sizes, ""},
                      fault{"commits-early", "fails to commit when its reader leaves",
                            "has read nothing"},
                      fault{"lends-as-its-own", first, "without NBDSTREAM_FD_SHARED"}),
    name_of);

}  // namespace
}  // namespace nbdstream::test
