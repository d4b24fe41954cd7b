// SPDX-License-Identifier: BSD-3-Clause
//
// One stream through the sink `fifo`.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "host.hpp"
#include "surroundings.hpp"

namespace sink_tests {
namespace {

struct FifoSink : ::testing::Test {
  directory here;
  const std::string path = here / "output";
  const std::string module = in_tree_sink("fifo");

  void make_fifo(mode_t mode = 0600) const { ASSERT_EQ(::mkfifo(path.c_str(), mode), 0); }

  /// Expects that create fails with an explanation of one line that has all these words.
  void expect_refused(const std::string& where, const std::vector<std::string>& words) const {
    const sink refused(module, {{"path", where}});
    EXPECT_LT(refused.created, 0) << where;
    for (const std::string& word : words)
      EXPECT_NE(refused.explanation().find(word), std::string::npos) << refused.explanation();
    EXPECT_EQ(refused.explanation().find('\n'), std::string::npos);
  }
};

TEST_F(FifoSink, CreatesFifoWithModeOfUmask) {
  const mode_t before = ::umask(027);
  const sink fifo(module, {{"path", path}});
  ::umask(before);
  ASSERT_EQ(fifo.created, 0) << fifo.explanation();
  EXPECT_EQ(status_of(path).st_mode, S_IFIFO | 0640U);
}

TEST_F(FifoSink, FifoStaysAfterDestroy) {
  { const sink fifo(module, {{"path", path}}); }
  EXPECT_TRUE(S_ISFIFO(status_of(path).st_mode));
  EXPECT_EQ(here.names().size(), 1U);
}

TEST_F(FifoSink, UsesExistingFifoUnchanged) {
  make_fifo(0620);
  const struct stat before = status_of(path);
  sink fifo(module, {{"path", path}, {"close-timeout", "0s"}});
  const descriptor reader = reader_of(path);
  EXPECT_EQ(fifo.open(), 0);
  EXPECT_EQ(fifo.send("hello"), 0);
  EXPECT_EQ(read_from(reader.get(), 5), "hello");
  EXPECT_EQ(fifo.commit(5), 0);
  EXPECT_EQ(status_of(path).st_ino, before.st_ino);
  EXPECT_EQ(status_of(path).st_mode, before.st_mode);
}

TEST_F(FifoSink, RefusesUnusablePathInOneLine) {
  create_file(path, "precious");
  expect_refused(path, {path, "regular file", "`file`"});
  EXPECT_EQ(contents_of(path), "precious");
  expect_refused(here.path(), {here.path(), "directory"});
  expect_refused("", {"empty"});
  expect_refused(here / "missing" + "/output", {"directory does not exist"});
}

TEST_F(FifoSink, RefusesDanglingSymbolicLink) {
  ASSERT_EQ(::symlink((here / "elsewhere").c_str(), path.c_str()), 0);
  expect_refused(path, {path, "symbolic link"});
  EXPECT_EQ(here.names(), std::vector<std::string>{"output"});
}

TEST_F(FifoSink, OpenWithoutReaderIsRetriedAfter1To50Milliseconds) {
  sink fifo(module, {{"path", path}});
  int64_t last = 0;
  for (int64_t expected : {1, 2, 4, 8, 16, 32, 50, 50}) {
    ASSERT_EQ(fifo.open(), -EAGAIN);
    EXPECT_EQ(fifo.wait().fd, -1);
    last = fifo.wait().timeout_ns / 1'000'000;
    EXPECT_EQ(last, expected);
  }
  EXPECT_EQ(fifo.abort(), 0);
}

TEST_F(FifoSink, LateReaderGetsWholeStream) {
  const std::string data = pattern(300'000);
  sink fifo(module, {{"path", path}});
  ASSERT_EQ(fifo.open(), -EAGAIN);
  process reader = process::running({"sh", "-c", "cat \"$0\" > \"$1\"", path, here / "copy"});
  EXPECT_EQ(fifo.stream(data), 0) << fifo.explanation();
  EXPECT_EQ(reader.wait(), 0);
  EXPECT_EQ(contents_of(here / "copy"), data);
}

TEST_F(FifoSink, ReaderTimeoutFailsEachStreamWithExplanation) {
  sink fifo(module, {{"path", path}, {"reader-timeout", "30ms"}});
  for (int stream = 0; stream < 2; ++stream) {
    ASSERT_EQ(fifo.open(), -EAGAIN);
    EXPECT_EQ(fifo.open_patiently(), -ETIMEDOUT);
    EXPECT_NE(fifo.explanation().find("reader-timeout"), std::string::npos);
  }
}

TEST_F(FifoSink, LendsPrivateWriteEndOfLargestPipe) {
  sink fifo(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  EXPECT_EQ(fifo.fd_flags(), 0U);
  EXPECT_EQ(::fcntl(fifo.fd(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
  EXPECT_EQ(::fcntl(fifo.fd(), F_GETFD), FD_CLOEXEC);
  if (::geteuid() == 0) {
    const int maximum = std::atoi(contents_of("/proc/sys/fs/pipe-max-size").c_str());
    EXPECT_EQ(::fcntl(fifo.fd(), F_GETPIPE_SZ), maximum);
  }
}

TEST_F(FifoSink, CommitWaitsUntilReaderHasTakenLastByte) {
  sink fifo(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  ASSERT_EQ(fifo.send("0123456789"), 0);
  EXPECT_EQ(fifo.commit(10), -EAGAIN);
  EXPECT_EQ(read_from(reader.get(), 9), "012345678");
  EXPECT_EQ(fifo.commit(10), -EAGAIN);
  EXPECT_EQ(read_from(reader.get(), 1), "9");
  EXPECT_EQ(fifo.commit(10), 0);
  EXPECT_EQ(read_from(reader.get()), "") << "the end of the file";
}

TEST_F(FifoSink, CommitFailsWhenReaderLeavesBytesUnread) {
  sink fifo(module, {{"path", path}});
  descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  ASSERT_EQ(fifo.send("0123456789"), 0);
  ASSERT_EQ(fifo.commit(10), -EAGAIN);
  const nbdstream_wait until = fifo.wait();
  EXPECT_EQ(until.fd, fifo.fd()) << "so that the host learns at once that the reader left";
  reader.reset();
  pollfd entry{until.fd, static_cast<short>(until.events), 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 1);
  EXPECT_EQ(fifo.commit(10), -EPIPE);
  EXPECT_EQ(fifo.explanation(), "the reader left before it had read the last 10 bytes");
  EXPECT_EQ(fifo.abort(), 0);
}

TEST_F(FifoSink, CommitSucceedsWhenReaderLeftAfterLastByte) {
  sink fifo(module, {{"path", path}});
  descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  ASSERT_EQ(fifo.send("all"), 0);
  EXPECT_EQ(read_from(reader.get(), 3), "all");
  reader.reset();
  EXPECT_EQ(fifo.commit(3), 0);
}

TEST_F(FifoSink, WriteFailsAfterReaderLeft) {
  sink fifo(module, {{"path", path}});
  descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  reader.reset();
  EXPECT_EQ(fifo.send("x"), -EPIPE);
  EXPECT_EQ(fifo.abort(), 0);
}

TEST_F(FifoSink, AbortClosesAtOnceWithBytesUnread) {
  sink fifo(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  ASSERT_EQ(fifo.send("torn"), 0);
  EXPECT_EQ(fifo.abort(), 0);
  EXPECT_EQ(read_from(reader.get()), "torn");
}

TEST_F(FifoSink, AbortEndsWaitForReader) {
  sink fifo(module, {{"path", path}});
  ASSERT_EQ(fifo.open(), -EAGAIN);
  EXPECT_EQ(fifo.abort(), 0);
  const descriptor reader = reader_of(path);
  EXPECT_EQ(fifo.open(), 0);
}

TEST_F(FifoSink, CreatedFifoThatVanishedIsCreatedAgain) {
  sink fifo(module, {{"path", path}});
  ASSERT_EQ(::unlink(path.c_str()), 0);
  EXPECT_EQ(fifo.open(), -EAGAIN);
  EXPECT_TRUE(S_ISFIFO(status_of(path).st_mode));
  EXPECT_EQ(fifo.abort(), 0);
}

TEST_F(FifoSink, ExistingFifoThatVanishedIsError) {
  make_fifo();
  sink fifo(module, {{"path", path}});
  ASSERT_EQ(::unlink(path.c_str()), 0);
  EXPECT_EQ(fifo.open(), -ENOENT);
  EXPECT_NE(fifo.explanation().find("vanished"), std::string::npos);
}

TEST_F(FifoSink, RegularFileThatReplacedFifoIsRefused) {
  sink fifo(module, {{"path", path}});
  ASSERT_EQ(::unlink(path.c_str()), 0);
  create_file(path, "precious");
  EXPECT_LT(fifo.open(), 0);
  EXPECT_NE(fifo.explanation().find("regular file"), std::string::npos);
  EXPECT_EQ(contents_of(path), "precious");
}

TEST_F(FifoSink, WritesToCharacterDevice) {
  sink device(module, {{"path", "/dev/null"}});
  ASSERT_EQ(device.created, 0);
  EXPECT_EQ(device.stream(pattern(100'000)), 0);
  EXPECT_EQ(device.stream("and again"), 0);
}

}  // namespace
}  // namespace sink_tests
