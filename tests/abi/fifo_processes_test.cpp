// SPDX-License-Identifier: BSD-3-Clause
//
// Several processes that write to one FIFO through the sink `fifo`: none writes into the stream of
// another, or to its reader.
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

struct SharedFifo : ::testing::Test {
  directory here;
  const std::string path = here / "output";
  const std::string module = in_tree_sink("fifo");

  void SetUp() override { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); }

  /// Begins a stream. `reader` has read all of it so far.
  void begin(sink& fifo, const descriptor& reader) const {
    ASSERT_EQ(fifo.open(), 0) << fifo.explanation();
    ASSERT_EQ(fifo.send("first"), 0);
    ASSERT_EQ(read_from(reader.get(), 5), "first");
  }

  static bool logged(const sink& fifo, const std::string& word) {
    return !fifo.log.empty() && fifo.log.back().find(word) != std::string::npos;
  }
};

TEST_F(SharedFifo, CommitWaitsUntilReaderClosesFifo) {
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

TEST_F(SharedFifo, CommitWaitsAtMostCloseTimeoutForReader) {
  sink fifo(module, {{"path", path}, {"close-timeout", "30ms"}});
  const descriptor reader = reader_of(path);
  begin(fifo, reader);
  const auto begun = steady_clock::now();
  EXPECT_EQ(fifo.commit_patiently(5), 0);
  EXPECT_GE(steady_clock::now() - begun, milliseconds(30));
  EXPECT_TRUE(logged(fifo, "the reader has not closed it"));
}

TEST_F(SharedFifo, CommitDoesNotWaitForReaderOfCreatedFifo) {
  ASSERT_EQ(::unlink(path.c_str()), 0);
  sink fifo(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  begin(fifo, reader);
  EXPECT_EQ(fifo.commit(5), 0);
}

TEST_F(SharedFifo, AbortWaitsUntilReaderClosesFifo) {
  sink fifo(module, {{"path", path}});
  descriptor reader = reader_of(path);
  begin(fifo, reader);
  ASSERT_EQ(fifo.abort(), -EAGAIN);
  EXPECT_EQ(read_from(reader.get()), "");
  reader.reset();
  EXPECT_EQ(fifo.abort_patiently(), 0);
}

TEST_F(SharedFifo, AbortOfWaitingCommitReturnsAtOnce) {
  sink fifo(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  begin(fifo, reader);
  ASSERT_EQ(fifo.commit(5), -EAGAIN);
  EXPECT_EQ(fifo.abort(), 0);
}

TEST_F(SharedFifo, SecondWriterWaitsForFirstAndNamesItsProcess) {
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

TEST_F(SharedFifo, SecondWriterStartsWhenReaderOfFirstHasLeft) {
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

TEST_F(SharedFifo, LockEndsWithItsProcess) {
  const descriptor reader = reader_of(path);
  process dies([&]() -> int {
    sink first(module, {{"path", path}});
    ::_exit(first.open() == 0 ? 0 : 1);
  });
  ASSERT_EQ(dies.wait(), 0);
  sink second(module, {{"path", path}});
  EXPECT_EQ(second.open(), 0);
}

// As in another container, where the lock is not visible.
TEST_F(SharedFifo, SecondWriterWaitsForWriteEndOfFirstWithoutSockets) {
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

TEST_F(SharedFifo, BytesOfDeadWriterAreReadBeforeNextStream) {
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

TEST_F(SharedFifo, CreateWorksWithoutFaccessat2) {
  process child([&] {
    if (!disable_call(SYS_faccessat2, EPERM)) return 1;
    return sink(module, {{"path", path}}).created == 0 ? 0 : 2;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace sink_tests
