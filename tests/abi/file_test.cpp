// SPDX-License-Identifier: BSD-3-Clause
//
// Streams through the sink `file` into regular files.
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "file_fixture.hpp"

namespace sink_tests {
namespace {

constexpr uint64_t MiB = 1 << 20;

struct FileSink : file_fixture {};

TEST_F(FileSink, FileAppearsOnlyAtCommit) {
  const std::string data = pattern(300'000);
  sink file(module, with({}));
  EXPECT_TRUE(here.names().empty()) << "nothing is made before a client writes";
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send(data), 0);
  ASSERT_EQ(here.names().size(), 1U);
  EXPECT_EQ(here.names()[0].rfind(".disk.raw.nbdstream-", 0), 0U) << here.names()[0];
  EXPECT_EQ(file.commit(data.size()), 0) << file.explanation();
  EXPECT_EQ(here.names(), names{"disk.raw"});
  EXPECT_TRUE(contents_of(path) == data);
}

TEST_F(FileSink, LendsPrivateDescriptor) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  EXPECT_EQ(file.fd_flags(), 0U);
  EXPECT_EQ(::fcntl(file.fd(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(file.fd(), F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY);
}

TEST_F(FileSink, ZeroesBecomeHolesAndLengthIsExact) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("begin"), 0);
  EXPECT_EQ(file.zero(4 * MiB), int64_t{4 * MiB});
  ASSERT_EQ(file.send("end"), 0);
  EXPECT_EQ(file.zero(12'345), 12'345);
  ASSERT_EQ(file.commit(5 + 4 * MiB + 3 + 12'345), 0) << file.explanation();
  const std::string all = contents_of(path);
  ASSERT_EQ(all.size(), 5 + 4 * MiB + 3 + 12'345);
  EXPECT_EQ(all.substr(0, 5), "begin");
  EXPECT_EQ(all.substr(5 + 4 * MiB, 3), "end");
  EXPECT_EQ(std::count(all.begin(), all.end(), '\0'), int64_t{4 * MiB + 12'345});
  EXPECT_LT(status_of(path).st_blocks, 1000);
}

TEST_F(FileSink, TerabyteOfZeroesTakesNoDiskSpace) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  const uint64_t terabyte = uint64_t{1} << 40;
  EXPECT_EQ(file.zero(terabyte), int64_t{1} << 40);
  EXPECT_EQ(file.commit(terabyte), 0);
  EXPECT_EQ(status_of(path).st_size, int64_t{1} << 40);
  EXPECT_EQ(status_of(path).st_blocks, 0);
}

TEST_F(FileSink, EmptyStreamMakesEmptyFile) {
  sink file(module, with({}));
  EXPECT_EQ(file.stream(""), 0);
  EXPECT_EQ(status_of(path).st_size, 0);
}

TEST_F(FileSink, StreamBeyondLargestFileSizeFails) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  int64_t taken = 1;
  for (int i = 0; i < 3 && taken > 0; ++i) taken = file.zero(uint64_t{1} << 62);
  EXPECT_EQ(taken, -EFBIG);
  EXPECT_NE(file.explanation().find(path), std::string::npos);
}

TEST_F(FileSink, AbortLeavesNothing) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("torn"), 0);
  EXPECT_EQ(file.abort(), 0);
  EXPECT_TRUE(here.names().empty());
  EXPECT_EQ(file.stream("the next one is whole"), 0);
  EXPECT_EQ(contents_of(path), "the next one is whole");
}

TEST_F(FileSink, CommitFailsWhenBytesAreMissing) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("12345"), 0);
  EXPECT_EQ(file.commit(6), -EIO);
  EXPECT_EQ(file.abort(), 0);
  EXPECT_TRUE(here.names().empty());
}

TEST_F(FileSink, FileThatAppearsBeforeStreamIsKept) {
  sink file(module, with({}));
  create_file(path, "precious");
  EXPECT_EQ(file.open(), -EEXIST);
  EXPECT_EQ(here.names(), names{"disk.raw"});
  EXPECT_EQ(contents_of(path), "precious");
}

TEST_F(FileSink, FileThatAppearsDuringStreamAndNewFileAreKept) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("hello"), 0);
  create_file(path, "precious");
  EXPECT_EQ(file.commit(5), -EEXIST);
  EXPECT_NE(file.explanation().find("appeared"), std::string::npos) << file.explanation();
  EXPECT_EQ(file.abort(), 0);
  EXPECT_EQ(contents_of(path), "precious");
  ASSERT_EQ(here.names().size(), 2U);
  EXPECT_EQ(here.names()[0], "disk.raw");
  EXPECT_EQ(contents_of(here / here.names()[1]), "hello") << "the complete file is kept";
}

TEST_F(FileSink, SecondStreamIsRefusedAndFirstFileKept) {
  sink file(module, with({}));
  ASSERT_EQ(file.stream("first"), 0);
  EXPECT_EQ(file.open(), -EEXIST);
  EXPECT_NE(file.explanation().find("earlier stream"), std::string::npos) << file.explanation();
  EXPECT_NE(file.explanation().find("overwrite"), std::string::npos) << file.explanation();
  EXPECT_EQ(contents_of(path), "first");
}

TEST_F(FileSink, OldFileStaysUntilCommitReplacesIt) {
  create_file(path, "old");
  sink file(module, with({{"overwrite", "true"}}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("new and longer"), 0);
  EXPECT_EQ(contents_of(path), "old");
  EXPECT_EQ(file.commit(14), 0) << file.explanation();
  EXPECT_EQ(contents_of(path), "new and longer");
  EXPECT_EQ(file.stream("newest"), 0);
  EXPECT_EQ(contents_of(path), "newest");
  EXPECT_EQ(here.names(), names{"disk.raw"});
}

TEST_F(FileSink, OldFileSurvivesAbort) {
  create_file(path, "old");
  sink file(module, with({{"overwrite", "true"}}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("torn"), 0);
  EXPECT_EQ(file.abort(), 0);
  EXPECT_EQ(contents_of(path), "old");
  EXPECT_EQ(here.names(), names{"disk.raw"});
}

TEST_F(FileSink, WorksWithoutSync) {
  sink file(module, with({{"sync", "false"}}));
  EXPECT_EQ(file.stream("hello"), 0) << file.explanation();
  EXPECT_EQ(contents_of(path), "hello");
}

TEST_F(FileSink, InterruptedCommitLeavesNothing) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("hello"), 0);
  file.interrupt();
  EXPECT_EQ(file.commit(5), -EINTR);
  EXPECT_EQ(file.abort(), 0);
  EXPECT_TRUE(here.names().empty());
  EXPECT_EQ(file.stream("the next one is not"), 0) << file.explanation();
}

/// RLIMIT_FSIZE acts like a full disk, and needs no file system to be mounted.
TEST_F(FileSink, FullDiskFailsStreamAndLeavesNothing) {
  process child([this] {
    (void)std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{MiB, MiB};
    if (::setrlimit(RLIMIT_FSIZE, &small) != 0) return 1;
    sink file(module, with({}));
    if (file.open() != 0) return 2;
    if (file.send(pattern(2 * MiB)) != -EFBIG) return 3;
    if (file.abort() != 0 || !here.names().empty()) return 4;
    // A hole takes no room, but the length has the same limit.
    if (file.open() != 0 || file.zero(2 * MiB) != int64_t{2 * MiB}) return 5;
    if (file.commit(2 * MiB) != -EFBIG) return 6;
    if (file.abort() != 0 || !here.names().empty()) return 7;
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace sink_tests
