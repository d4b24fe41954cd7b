// SPDX-License-Identifier: BSD-3-Clause
//
// Several processes with one FIFO, through the sink `fifo`: none gets into the stream, or to the
// reader, of another.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "host.hpp"
#include "surroundings.hpp"
#include "system_calls.hpp"

namespace sink_tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct FifoOfSeveral : ::testing::Test {
  directory here;
  const std::string path = here / "output";
  const std::string module = in_tree_sink("fifo");

  void SetUp() override { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); }

  /// Begins a stream that `reader` has taken so far.
  void begin(sink& fifo, const descriptor& reader) const {
    ASSERT_EQ(fifo.open(), 0) << fifo.explanation();
    ASSERT_EQ(fifo.send("first"), 0);
    ASSERT_EQ(read_from(reader.get(), 5), "first");
  }

  static bool logged(const sink& fifo, const std::string& word) {
    return !fifo.log.empty() && fifo.log.back().find(word) != std::string::npos;
  }
};

TEST_F(FifoOfSeveral, CommitWaitsUntilTheReaderHasClosedIt) {
  sink fifo(module, {{"path", path}});
  descriptor reader = reader_of(path);
  begin(fifo, reader);
  ASSERT_EQ(fifo.commit(5), -EAGAIN);
  EXPECT_EQ(read_from(reader.get()), "") << "the end, which is what the reader waits for";
  ASSERT_EQ(fifo.commit(5), -EAGAIN);
  reader.reset();
  EXPECT_EQ(fifo.commit_patiently(5), 0);
  EXPECT_TRUE(fifo.log.empty());
}

TEST_F(FifoOfSeveral, CommitWaitsNoLongerThanItWasToldForAReaderThatNeverCloses) {
  sink fifo(module, {{"path", path}, {"close-timeout", "30ms"}});
  const descriptor reader = reader_of(path);
  begin(fifo, reader);
  const auto begun = steady_clock::now();
  EXPECT_EQ(fifo.commit_patiently(5), 0);
  EXPECT_GE(steady_clock::now() - begun, milliseconds(30));
  EXPECT_TRUE(logged(fifo, "the reader has not closed it"));
}

TEST_F(FifoOfSeveral, CommitDoesNotWaitForTheReaderOfAFifoThatWasReplaced) {
  ASSERT_EQ(::unlink(path.c_str()), 0);
  sink fifo(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  begin(fifo, reader);
  EXPECT_EQ(fifo.commit(5), 0);
}

TEST_F(FifoOfSeveral, AnAbortWaitsForTheReaderToo) {
  sink fifo(module, {{"path", path}});
  descriptor reader = reader_of(path);
  begin(fifo, reader);
  ASSERT_EQ(fifo.abort(), -EAGAIN);
  EXPECT_EQ(read_from(reader.get()), "");
  reader.reset();
  EXPECT_EQ(fifo.abort_patiently(), 0);
}

TEST_F(FifoOfSeveral, AnAbortOfACommitThatWaitsForTheReaderIsOverAtOnce) {
  sink fifo(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  begin(fifo, reader);
  ASSERT_EQ(fifo.commit(5), -EAGAIN);
  EXPECT_EQ(fifo.abort(), 0);
}

TEST_F(FifoOfSeveral, TheSecondWaitsForTheFirstAndNamesIt) {
  sink first(module, {{"path", path}});
  descriptor reader = reader_of(path);
  begin(first, reader);
  process other([&] {
    sink second(module, {{"path", path}, {"reader-timeout", "2200ms"}});
    if (second.open_patiently() != -ETIMEDOUT) return 1;
    const std::string who = "process " + std::to_string(::getppid()) + " writes a stream to it";
    if (!logged(second, who)) return 2;
    return second.explanation().find(who) != std::string::npos ? 0 : 3;
  });
  EXPECT_EQ(other.wait(), 0);
  ASSERT_EQ(first.send("!"), 0);
  EXPECT_EQ(read_from(reader.get(), 1), "!");
}

TEST_F(FifoOfSeveral, TheSecondGetsItsTurnWhenTheReaderOfTheFirstHasLeft) {
  sink first(module, {{"path", path}}), second(module, {{"path", path}});
  descriptor reader = reader_of(path);
  begin(first, reader);
  ASSERT_EQ(second.open(), -EAGAIN);
  ASSERT_EQ(first.commit(5), -EAGAIN);
  ASSERT_EQ(second.open(), -EAGAIN) << "the reader of the first is still there";
  reader.reset();
  ASSERT_EQ(first.commit_patiently(5), 0);
  const descriptor next = reader_of(path);
  ASSERT_EQ(second.open_patiently(), 0);
  EXPECT_EQ(second.send("second"), 0);
  EXPECT_EQ(read_from(next.get(), 6), "second");
}

TEST_F(FifoOfSeveral, TheLockEndsWithItsProcess) {
  const descriptor reader = reader_of(path);
  process dies([&]() -> int {
    sink first(module, {{"path", path}});
    ::_exit(first.open() == 0 ? 0 : 1);
  });
  ASSERT_EQ(dies.wait(), 0);
  sink second(module, {{"path", path}});
  EXPECT_EQ(second.open(), 0);
}

// As where the lock is not seen, in another container.
TEST_F(FifoOfSeveral, WithoutSocketsTheSecondIsStoppedByTheFirstsWriteEnd) {
  sink first(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  begin(first, reader);
  process other([&] {
    if (!disable_call(SYS_socket, EPERM)) return 1;
    sink second(module, {{"path", path}, {"reader-timeout", "50ms"}});
    return second.open_patiently() == -ETIMEDOUT ? 0 : 2;
  });
  EXPECT_EQ(other.wait(), 0);
}

TEST_F(FifoOfSeveral, WhatIsLeftOfAnotherStreamIsReadBeforeTheNextOneBegins) {
  descriptor reader = reader_of(path);
  process dies([&]() -> int {
    sink first(module, {{"path", path}});
    ::_exit(first.open() == 0 && first.send("torn") == 0 ? 0 : 1);
  });
  ASSERT_EQ(dies.wait(), 0);
  sink second(module, {{"path", path}});
  ASSERT_EQ(second.open(), -EAGAIN);
  EXPECT_EQ(read_from(reader.get()), "torn");
  reader.reset();
  const descriptor next = reader_of(path);
  EXPECT_EQ(second.open_patiently(), 0);
}

TEST_F(FifoOfSeveral, ASandboxThatDeniesFaccessat2KeepsNobodyOut) {
  process child([&] {
    if (!disable_call(SYS_faccessat2, EPERM)) return 1;
    return sink(module, {{"path", path}}).created == 0 ? 0 : 2;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace sink_tests
