// SPDX-License-Identifier: BSD-3-Clause
//
// `nbdstream apply` with files: what it writes, and what it refuses before it writes a byte.
#include "support/restore_test.hpp"
#include "support/seccomp.hpp"

namespace nbdstream::test {
namespace {

class Apply : public restore_test {
 protected:
  void apply(const arguments& args) const {
    arguments all{"apply", "disk.raw"};
    all.insert(all.end(), args.begin(), args.end());
    const result ended = nbdstream(all);
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.out, "");
  }
  [[nodiscard]] bool disk_holds(const diff_stream& diff) const {
    return holds(path("disk.raw"), diff.disk());
  }
  /// Runs apply while the system call `call` fails with `error`, as it does on some file systems.
  [[nodiscard]] result apply_without(const std::string& call, const std::string& error,
                                     const arguments& args) const {
    arguments argv{
        "/usr/bin/python3", "-c", run_with_a_call_that_fails, call, error, "nbdstream", "apply",
        "disk.raw"};
    argv.insert(argv.end(), args.begin(), args.end());
    return start(argv).wait();
  }
};

TEST_F(Apply, WritesAChainOfDiffsToANewFile) {
  apply({"full", "monday", "tuesday"});
  EXPECT_TRUE(disk_holds(tuesday_));
}

TEST_F(Apply, ReadsAChainFromOnePipe) {
  EXPECT_TRUE(ended_with(0, start_shell("cat full monday | nbdstream apply disk.raw").wait()));
  EXPECT_TRUE(disk_holds(monday_));
  EXPECT_TRUE(
      ended_with(0, start_shell("cat tuesday | nbdstream apply --in-place disk.raw -").wait()));
  EXPECT_TRUE(disk_holds(tuesday_));
}

TEST_F(Apply, ContinuesFromTheSnapshotOfTheLastApply) {
  apply({"full"});
  apply({"monday"});
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "monday"}),
                       R"(the diff begins from "sunday", but the last apply led to "monday")"));
  apply({"tuesday"});
  EXPECT_TRUE(disk_holds(tuesday_));
}

TEST_F(Apply, CreatesASparseFile) {
  write_file(path("sparse"), diff_stream({{}, "a", MiB * 64}).data(MiB * 32, "x").whole());
  apply({"sparse", "--verify"});
  EXPECT_EQ(std::filesystem::file_size(path("disk.raw")), MiB * 64);
  const result blocks = start({"stat", "-c", "%b", "disk.raw"}).wait();
  EXPECT_LT(std::stoul(blocks.out), 64u) << "of 512 bytes";
}

TEST_F(Apply, FullDiffReplacesTheOldContent) {
  write_file(path("disk.raw"), pattern(size, 9));
  apply({"full", "--verify"});
  EXPECT_TRUE(disk_holds(full_));
}

TEST_F(Apply, PunchesHolesInAnExistingFile) {
  write_file(path("disk.raw"), pattern(MiB, 9));
  write_file(path("zeroes"), diff_stream({"x", "y", MiB}).zeroes(0, MiB).whole());
  apply({"zeroes", "--from", "x"});
  EXPECT_TRUE(holds(path("disk.raw"), std::string(MiB, '\0')));
  EXPECT_EQ(start({"stat", "-c", "%b", "disk.raw"}).wait().out, "0\n");
}

TEST_F(Apply, WritesZeroesIfFallocateFails) {
  write_file(path("disk.raw"), pattern(size, 9));
  EXPECT_TRUE(ended_with(0, apply_without("fallocate", "EOPNOTSUPP", {"full", "--verify"})));
  EXPECT_TRUE(disk_holds(full_));
}

TEST_F(Apply, RefusesAnIncrementalDiffForAMissingFile) {
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "monday"}), "disk.raw does not exist"));
  EXPECT_FALSE(std::filesystem::exists(path("disk.raw")));
}

TEST_F(Apply, IncrementalDiffNeedsFromIfNoSnapshotIsRecorded) {
  write_file(path("disk.raw"), full_.disk());
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "monday"}), "no apply has left a name"));
  EXPECT_TRUE(disk_holds(full_));
  apply({"monday", "--from=sunday"});
  EXPECT_TRUE(disk_holds(monday_));
}

TEST_F(Apply, RefusesAChainWithAGap) {
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "full", "tuesday"}),
                       R"(tuesday: the diff begins from "monday", but the one before leads to)"));
  EXPECT_FALSE(std::filesystem::exists(path("disk.raw")));
}

TEST_F(Apply, RefusesAFileOfAnotherSize) {
  for (const std::uint64_t other : {size - 1, size + 1}) {
    write_file(path("disk.raw"), pattern(other, 9));
    EXPECT_TRUE(mentions(
        line_of(1, {"apply", "disk.raw", "full"}),
        "disk.raw has " + std::to_string(other) + " bytes, but the diff is of a disk of 100000"));
    EXPECT_TRUE(holds(path("disk.raw"), pattern(other, 9)));
  }
  EXPECT_TRUE(mentions(line_of(1, {"apply", "--resize", "disk.raw", "full"}), "100001 bytes"));
}

TEST_F(Apply, ResizeLetsAFileGrow) {
  apply({"full"});
  diff_stream larger({"sunday", "monday", size + 5'000}, full_.disk());
  larger.data(size + 4'000, "end");
  write_file(path("larger"), larger.whole());
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "larger"}), "--resize"));
  EXPECT_TRUE(disk_holds(full_));
  apply({"larger", "--resize", "--verify"});
  EXPECT_TRUE(disk_holds(larger));
  std::filesystem::remove(path("disk.raw"));
  apply({"full", "larger"});
  EXPECT_TRUE(disk_holds(larger));
}

/// The bytes of the larger disk beyond the end of the smaller one become zero, too.
TEST_F(Apply, GrowingChainReplacesTheOldContent) {
  diff_stream larger({"sunday", "monday", size + 5'000}, full_.disk());
  larger.data(size + 4'000, "end");
  write_file(path("larger"), larger.whole());
  write_file(path("disk.raw"), pattern(size + 5'000, 9));
  apply({"full", "larger"});
  EXPECT_TRUE(disk_holds(larger));
}

TEST_F(Apply, PipeForAnExistingFileNeedsInPlace) {
  write_file(path("disk.raw"), pattern(size, 9));
  const result ended = start_shell("cat full | nbdstream apply disk.raw").wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "give files, or say --in-place"));
  EXPECT_TRUE(holds(path("disk.raw"), pattern(size, 9)));
  EXPECT_TRUE(ended_with(0, start_shell("cat full | nbdstream apply --in-place disk.raw").wait()));
  EXPECT_TRUE(disk_holds(full_));
}

TEST_F(Apply, ReadsAFileFromRedirectedStandardInput) {
  write_file(path("disk.raw"), pattern(size, 9));
  EXPECT_TRUE(ended_with(0, start_shell("nbdstream apply --verify disk.raw < full").wait()));
  EXPECT_TRUE(disk_holds(full_));
}

TEST_F(Apply, ReportsTheByteOffsetOfABrokenRecord) {
  write_file(path("bad"), full_.unfinished() + "q");
  const auto at = std::to_string(full_.unfinished().size());
  EXPECT_EQ(line_of(1, {"apply", "disk.raw", "bad"}),
            "nbdstream: error: bad: byte " + at + ": unknown record \"q\"\n");
  write_file(path("cut"), full_.unfinished());
  EXPECT_EQ(line_of(1, {"apply", "disk.raw", "cut"}),
            "nbdstream: error: cut: byte " + at + ": it ended before its end record\n");
  EXPECT_FALSE(std::filesystem::exists(path("disk.raw")));
}

TEST_F(Apply, ReportsHowToRepairAHalfWrittenFile) {
  apply({"full"});
  const result ended =
      start_shell("head -c 3000 monday | nbdstream apply --in-place disk.raw").wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err,
                       "it ended before its end record; disk.raw is not whole now: "
                       "apply the same again with --from, or a full diff"));
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "monday"}),
                       R"(apply the same diff again with --from "sunday")"));
  apply({"monday", "--from", "sunday", "--verify"});
  apply({"tuesday"});
  EXPECT_TRUE(disk_holds(tuesday_));
}

TEST_F(Apply, StoresTheSnapshotNameBesideAFileWithoutXattrs) {
  EXPECT_TRUE(ended_with(0, apply_without("fsetxattr", "ENOTSUP", {"full"})));
  EXPECT_EQ(read_file(path("disk.raw.nbdstream-snapshot")), "sunday");
  EXPECT_TRUE(ended_with(0, apply_without("fsetxattr", "ENOTSUP", {"monday"})));
  EXPECT_EQ(read_file(path("disk.raw.nbdstream-snapshot")), "monday");
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "monday"}), "the last apply led to"));
  apply({"tuesday"});
  EXPECT_TRUE(disk_holds(tuesday_));
}

/// A snapshot name beside a file that was removed does not belong to the next file.
TEST_F(Apply, RemovesTheSnapshotNameOfAnOlderFile) {
  EXPECT_TRUE(ended_with(0, apply_without("fsetxattr", "ENOTSUP", {"full"})));
  std::filesystem::remove(path("disk.raw"));
  write_file(path("nameless"), diff_stream({{}, {}, size}).whole());
  apply({"nameless"});
  EXPECT_FALSE(std::filesystem::exists(path("disk.raw.nbdstream-snapshot")));
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "monday"}), "no apply has left a name"));
}

TEST_F(Apply, FollowsASymbolicLink) {
  std::filesystem::create_directory(path("store"));
  std::filesystem::create_symlink("store/vm1.raw", path("disk.raw"));
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "full"}), "is a symbolic link to nothing"));
  EXPECT_TRUE(ended_with(0, nbdstream({"apply", "store/vm1.raw", "full"})));
  EXPECT_TRUE(ended_with(0, apply_without("fsetxattr", "ENOTSUP", {"monday"})));
  EXPECT_TRUE(std::filesystem::is_symlink(path("disk.raw")));
  EXPECT_TRUE(holds(path("store/vm1.raw"), monday_.disk()));
  EXPECT_EQ(read_file(path("store/vm1.raw.nbdstream-snapshot")), "monday");
}

TEST_F(Apply, RefusesALockedFile) {
  apply({"full"});
  const result ended =
      start({"flock", "disk.raw", "nbdstream", "apply", "disk.raw", "monday"}).wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "disk.raw is in use"));
}

TEST_F(Apply, RefusesUnusableTargetsAndDiffs) {
  EXPECT_TRUE(mentions(line_of(1, {"apply", ".", "full"}), "neither a regular file nor a block"));
  EXPECT_TRUE(mentions(line_of(1, {"apply", "/dev/null", "full"}), "neither a regular file"));
  EXPECT_TRUE(mentions(line_of(1, {"apply", "none/disk.raw", "full"}), "does not exist"));
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "none"}), "none: cannot be opened"));
  EXPECT_TRUE(mentions(line_of(1, {"apply", "disk.raw", "."}), "is a directory"));
}

TEST_F(Apply, ProgressOptionReportsBytesApplied) {
  const result ended = nbdstream({"apply", "--progress", "disk.raw", "full"});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.err, "nbdstream: 43192 of 43192 bytes applied (100 %)\n");
  const result piped =
      start_shell("cat full | nbdstream apply --progress --in-place disk.raw").wait();
  EXPECT_EQ(piped.err, "nbdstream: 43192 bytes applied\n");
}

TEST_F(Apply, RefusesWrongArgumentsAndPrintsHelp) {
  EXPECT_TRUE(mentions(line_of(2, {"apply"}), "needs a target"));
  EXPECT_TRUE(mentions(line_of(2, {"apply", "-"}), "nbdstream cat"));
  EXPECT_TRUE(mentions(line_of(2, {"apply", "--verfy", "d"}), "did you mean --verify?"));
  EXPECT_TRUE(mentions(line_of(2, {"apply", "-x", "d"}), "nbdstream apply --help"));
  EXPECT_TRUE(mentions(line_of(2, {"apply", "d", "--from"}), "--from needs a value"));
  EXPECT_TRUE(mentions(line_of(2, {"apply", "d", "--verify=1"}), "--verify takes no value"));
  for (const std::string command : {"apply", "cat", "info"}) {
    const result help = nbdstream({command, "--help"});
    EXPECT_TRUE(ended_with(0, help));
    EXPECT_TRUE(mentions(help.out, "Usage: nbdstream " + command));
  }
}

TEST_F(Apply, IsSuggestedForAMisspeltSubcommand) {
  EXPECT_TRUE(mentions(line_of(2, {"aply", "disk.raw"}), R"(did you mean "apply"?)"));
  EXPECT_TRUE(mentions(line_of(2, {"inof"}), R"(did you mean "info"?)"));
  EXPECT_TRUE(mentions(line_of(2, {"out.raw"}), "--sink NAME:ARGUMENT"));
  EXPECT_TRUE(mentions(line_of(2, {"pipee=x"}), "unknown parameter"));
  EXPECT_TRUE(mentions(line_of(2, {"--size", "1M", "apply"}), "neither an option nor KEY=VALUE"));
}

}  // namespace
}  // namespace nbdstream::test
