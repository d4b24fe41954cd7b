// SPDX-License-Identifier: BSD-3-Clause
//
// Streams through the sink `null`.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "host.hpp"
#include "surroundings.hpp"
#include "system_calls.hpp"

namespace sink_tests {
namespace {

using lines = std::vector<std::string>;

const std::string of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const std::string of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// 1 MiB of zeroes.
const std::string of_zeroes = "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58";

constexpr int skipped = 77;  // exit status of a process that cannot do what the test is about

struct Null : ::testing::Test {
  directory here;
  const std::string module = in_tree_sink("null");
  const settings sha256{{"digest", "sha256"}};

  void expect_refused(const settings& values, const std::string& word) const {
    const sink refused(module, values);
    EXPECT_LT(refused.created, 0);
    EXPECT_NE(refused.explanation().find(word), std::string::npos) << refused.explanation();
  }
};

TEST_F(Null, CountsTheBytesOfEachStream) {
  sink null(module);
  EXPECT_EQ(null.stream(pattern(300'000)), 0);
  ASSERT_EQ(null.open(), 0);
  EXPECT_EQ(null.send("torn"), 0);
  EXPECT_EQ(null.abort(), 0);
  EXPECT_EQ(null.stream("abc"), 0);
  EXPECT_EQ(null.log, (lines{"300000 bytes", "3 bytes"}));
}

TEST_F(Null, LendsTheNullDeviceOnlyWithoutADigest) {
  sink counting(module);
  ASSERT_EQ(counting.open(), 0);
  struct stat lent {};
  ASSERT_EQ(::fstat(counting.fd(), &lent), 0);
  EXPECT_TRUE(S_ISCHR(lent.st_mode));
  EXPECT_EQ(lent.st_rdev, makedev(1, 3));
  sink hashing(module, sha256);
  ASSERT_EQ(hashing.open(), 0);
  EXPECT_EQ(hashing.fd(), -1);
}

TEST_F(Null, CountsTheBytesIfTheNullDeviceIsMissing) {
  process child([&] {
    (void)load(module);
    if (!disable_call(SYS_openat, ENOENT)) return 255;
    sink null(module);
    if (null.open() != 0 || null.fd() != -1 || null.send("abc") != 0) return 1;
    if (null.commit(4) != -EIO || null.abort() != 0) return 2;
    if (null.stream("abc") != 0) return 3;
    if (null.open() != 0 || null.zero(uint64_t{1} << 62) != int64_t{1} << 62) return 4;
    if (null.commit(uint64_t{1} << 62) != 0) return 5;
    return null.log == lines{"3 bytes", "4611686018427387904 bytes"} ? 0 : 6;
  });
  EXPECT_EQ(child.wait(), 0);
}

/// A container may have an ordinary file of that name, which would grow.
TEST_F(Null, LendsNoOrdinaryFileNamedDevNull) {
  const std::string file = here / "file";
  create_file(file, "");
  process child([&] {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return skipped;
    if (::mount(file.c_str(), "/dev/null", nullptr, MS_BIND, nullptr) != 0) return skipped;
    sink null(module);
    if (null.open() != 0 || null.fd() != -1) return 1;
    return null.send("abc") == 0 && null.commit(3) == 0 ? 0 : 2;
  });
  const int status = child.wait();
  if (status == skipped) GTEST_SKIP() << "no name spaces for mounts here";
  EXPECT_EQ(status, 0);
  EXPECT_EQ(contents_of(file), "");
}

TEST_F(Null, LeavesZeroesToTheHostIfItLendsTheNullDevice) {
  sink null(module);
  ASSERT_EQ(null.open(), 0);
  EXPECT_EQ(null.zero(4096), -ENOTSUP);
  EXPECT_EQ(null.commit(uint64_t{1} << 62), 0);
  EXPECT_EQ(null.log, lines{"4611686018427387904 bytes"});
}

TEST_F(Null, CommitFailsIfBytesAreMissing) {
  sink null(module, sha256);
  ASSERT_EQ(null.open(), 0);
  EXPECT_EQ(null.send("abc"), 0);
  EXPECT_EQ(null.commit(4), -EIO);
}

TEST_F(Null, LogsTheDigestOfEachStream) {
  sink null(module, sha256);
  EXPECT_EQ(null.stream("abc"), 0);
  ASSERT_EQ(null.open(), 0);
  EXPECT_EQ(null.send("torn"), 0);
  EXPECT_EQ(null.abort(), 0);
  EXPECT_EQ(null.stream(""), 0);
  EXPECT_EQ(null.log, (lines{"3 bytes, sha256 " + of_abc, "0 bytes, sha256 " + of_nothing}));
}

TEST_F(Null, DigestIncludesZeroes) {
  sink null(module, sha256);
  ASSERT_EQ(null.open(), 0);
  EXPECT_EQ(null.zero(1'000'000), 1'000'000);
  EXPECT_EQ(null.send(std::string(48'576, '\0')), 0);
  EXPECT_EQ(null.commit(1 << 20), 0);
  EXPECT_EQ(null.log, lines{"1048576 bytes, sha256 " + of_zeroes});
}

TEST_F(Null, DigestsZeroesInPiecesSoThatTheHostCanStop) {
  sink null(module, sha256);
  ASSERT_EQ(null.open(), 0);
  EXPECT_EQ(null.zero(uint64_t{1} << 40), 16 << 20);
}

TEST_F(Null, WritesTheDigestFileAtCommit) {
  const std::string path = here / "sum";
  sink null(module, {{"digest", "sha256"}, {"digest-file", path}});
  ASSERT_EQ(null.open(), 0);
  EXPECT_EQ(null.send("abc"), 0);
  EXPECT_TRUE(here.names().empty());
  EXPECT_EQ(null.commit(3), 0) << null.explanation();
  EXPECT_EQ(contents_of(path), of_abc + "  -\n");
  EXPECT_EQ(null.stream(""), 0);
  EXPECT_EQ(contents_of(path), of_nothing + "  -\n");
  EXPECT_EQ(here.names(), lines{"sum"});
}

TEST_F(Null, RefusesInvalidSettings) {
  expect_refused({{"digest", "md5"}}, "sha256");
  expect_refused({{"digest-file", here / "sum"}}, "digest=sha256");
  expect_refused({{"digest", "sha256"}, {"digest-file", here / "no" + "/sum"}}, "does not exist");
  expect_refused({{"digest", "sha256"}, {"digest-file", here.path()}}, "regular file");
  expect_refused({{"digest", "sha256"}, {"digest-file", "/dev/stdout"}}, "regular file");
}

}  // namespace
}  // namespace sink_tests
