// SPDX-License-Identifier: BSD-3-Clause
//
// `nbdstream cat` prints the disk of a chain of diffs; `nbdstream info` prints what diffs contain.
#include "support/restore_test.hpp"

#include <unistd.h>

namespace nbdstream::test {
namespace {

class Cat : public restore_test {};

TEST_F(Cat, PrintsTheDiskOfAChain) {
  const result one = nbdstream({"cat", "full"});
  EXPECT_TRUE(ended_with(0, one));
  EXPECT_TRUE(one.out == full_.disk());
  const result all = nbdstream({"cat", "full", "monday", "tuesday"});
  EXPECT_TRUE(ended_with(0, all));
  EXPECT_TRUE(all.out == tuesday_.disk());
}

TEST_F(Cat, ReadsAPipeAndLeavesNoTemporaryFile) {
  const result ended = start_shell("cat full monday | nbdstream cat").wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended.out == monday_.disk());
  const result mixed = start_shell("cat monday | nbdstream cat full - tuesday").wait();
  EXPECT_TRUE(mixed.out == tuesday_.disk());
}

TEST_F(Cat, PrintsTheDiskOfALargeRandomChain) {
  std::mt19937 random(3);
  const auto full = random_diff(random, "", 5 * MiB + 17, {}, "a", 20);
  const auto next = random_diff(random, full.disk(), 6 * MiB + 3, "a", "b", 20);
  write_file(path("one"), full.whole());
  write_file(path("two"), next.whole());
  const result ended = nbdstream({"cat", "one", "two"});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended.out == next.disk());
}

TEST_F(Cat, PrintsNothingIfTheChainIsBroken) {
  write_file(path("cut"), monday_.unfinished());
  for (const std::string command :
       {"nbdstream cat full cut", "cat full cut | nbdstream cat", "nbdstream cat monday",
        "nbdstream cat full tuesday", "nbdstream cat full none"}) {
    const result ended = start_shell(command).wait();
    EXPECT_TRUE(ended_with(1, ended)) << command;
    EXPECT_EQ(ended.out, "") << command;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }
}

TEST_F(Cat, RefusesToWriteToATerminal) {
  terminal screen = make_terminal();
  process::options how;
  how.out = screen.slave.get();
  EXPECT_TRUE(mentions(line_of(1, {"cat", "full"}, how), "is a terminal"));
}

TEST_F(Cat, RefusesToReadFromATerminal) {
  const terminal screen = make_terminal();
  process::options how;
  how.in = screen.slave.get();
  EXPECT_TRUE(mentions(line_of(1, {"cat"}, how), "standard input is a terminal"));
}

TEST_F(Cat, ReportsAClosedPipeInOneLine) {
  pipe_pair pipe = make_pipe();
  pipe.read.leave();
  process::options how;
  how.out = pipe.write.get();
  EXPECT_TRUE(mentions(line_of(1, {"cat", "full"}, how), "its reader has gone"));
}

TEST_F(Cat, ReportsAClosedStandardOutput) {
  process::options how;
  how.close_out = true;
  EXPECT_TRUE(mentions(line_of(1, {"cat", "full"}, how), "standard output: writing failed"));
}

class Info : public restore_test {};

TEST_F(Info, PrintsTheFieldsOfEachDiff) {
  const result ended = nbdstream({"info", "full", "monday"});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.out,
            "file=full\nformat=rbd diff v1\nto=sunday\nsize=100000\nrecords=3\ndata_bytes=35000\n"
            "zero_bytes=8192\nnamed_bytes=35000\ncomplete=yes\n\n"
            "file=monday\nformat=rbd diff v1\nfrom=sunday\nto=monday\nsize=100000\nrecords=3\n"
            "data_bytes=3001\nzero_bytes=100\nnamed_bytes=3101\ncomplete=yes\n");
}

TEST_F(Info, ReadsSeveralDiffsFromOnePipe) {
  const result ended = start_shell("cat full monday | nbdstream info").wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.out, "file=standard input\n"));
  EXPECT_TRUE(mentions(ended.out, "to=sunday\n"));
  EXPECT_TRUE(mentions(ended.out, "from=sunday\nto=monday\n"));
}

TEST_F(Info, JsonOptionPrintsValidJson) {
  write_file(path("odd"), diff_stream({"a\"\\\n\xff", std::nullopt, 8}).zeroes(0, 8).whole());
  const result ended = start_shell(R"(nbdstream info --json full odd | python3 -c '
import json, sys
full, odd = json.load(sys.stdin)
assert full == {"file": "full", "format": "rbd diff v1", "from": None, "to": "sunday",
    "size": 100000, "records": 3, "data_bytes": 35000, "zero_bytes": 8192, "named_bytes": 35000,
    "complete": True}, full
assert odd["from"] == "a\"\\\n\ufffd", odd
assert odd["to"] is None and odd["zero_bytes"] == 8, odd
')")
                           .wait();
  EXPECT_TRUE(ended_with(0, ended));
}

TEST_F(Info, ReportsTheByteOffsetOfATruncatedDiff) {
  write_file(path("cut"), full_.unfinished());
  const result ended = nbdstream({"info", "cut"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.out, "named_bytes=35000\ncomplete=no\n"));
  EXPECT_EQ(ended.err, "nbdstream: error: cut: byte " + std::to_string(full_.unfinished().size()) +
                           ": it ended before its end record\n");
}

TEST_F(Info, RefusesARecordLongerThanTheFile) {
  diff_stream huge({{}, {}, 0});
  std::string bytes = huge.raw_record('w', 0, std::uint64_t{1} << 60).whole();
  bytes[bytes.size() - 19] = '\x20';  // the disk's size is 2^61
  write_file(path("huge"), bytes);
  EXPECT_EQ(bytes.size(), 39u);
  const result ended = nbdstream({"info", "huge"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.out, "size=2305843009213693952\nrecords=1\n"));
  EXPECT_TRUE(mentions(ended.err, "huge: byte 39: it ended before its end record"));
  for (const std::string command : {"cat huge", "apply disk.raw huge"}) {
    EXPECT_TRUE(ended_with(1, start_shell("nbdstream " + command).wait()));
    EXPECT_FALSE(std::filesystem::exists(path("disk.raw")));
  }
}

TEST_F(Info, RefusesAFileThatIsNoDiff) {
  make_disk(MiB);
  EXPECT_TRUE(mentions(line_of(1, {"info", "in.qcow2"}), "byte 0: this is not an rbd diff v1"));
  EXPECT_TRUE(ended_with(0, start_shell("zstd -q full -o full.zst").wait()));
  EXPECT_TRUE(mentions(line_of(1, {"info", "full.zst"}), "decompress it"));
}

}  // namespace
}  // namespace nbdstream::test
