// SPDX-License-Identifier: BSD-3-Clause
//
// The writer of receipts, on a disk that may hang.
#include "receipt/writer.hpp"

#include "support/fake_log.hpp"
#include "support/temp_directory.hpp"
#include "unit/io/loop.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>

namespace nbdstream::test {
namespace {

/// Whether fsync() returns, and whether somebody waits in it.
struct disk {
  std::mutex mutex;
  std::condition_variable changed;
  bool hangs = false;
  bool waiting = false;

  void wait() {
    std::unique_lock lock(mutex);
    waiting = hangs;
    changed.wait(lock, [&] { return !hangs; });
    waiting = false;
  }
  void set(bool to_hang) {
    const std::lock_guard lock(mutex);
    hangs = to_hang;
    changed.notify_all();
  }
  [[nodiscard]] bool is_waited_for() {
    const std::lock_guard lock(mutex);
    return waiting;
  }
};

disk& the_disk() {
  static disk only;
  return only;
}

}  // namespace
}  // namespace nbdstream::test

/// In place of the system's, in this program.
extern "C" int fsync(int fd) {
  nbdstream::test::the_disk().wait();
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace nbdstream::test {
namespace {

struct ReceiptWriter : ::testing::Test {
  loop l;
  fake_log log;
  temp_directory directory;
  std::string at = (directory / "r.json").string();
  sink::failure failed;

  awaitable<void> begin(receipt::writer& w) { failed = co_await w.begin(); }
  awaitable<void> prepare(receipt::writer& w) { failed = co_await w.prepare("before"); }
  awaitable<void> finish(receipt::writer& w) { failed = co_await w.finish("after"); }
  static awaitable<void> discard(receipt::writer& w) { co_await w.discard(); }
  void run(awaitable<void> task) {
    l.spawn(std::move(task));
    l.finish();
  }
  [[nodiscard]] bool nothing_is_left() const { return std::filesystem::is_empty(directory.path()); }
  ~ReceiptWriter() override { the_disk().set(false); }
};

TEST_F(ReceiptWriter, RemovesWhatIsOlderAndSaysWhatWasLeftBehind) {
  std::ofstream{at} << R"({"nbdstream_receipt": "older"})";
  std::ofstream{at + ".partial"} << "left behind";
  receipt::writer w(l.executor(), at, std::chrono::seconds(10), log);
  run(begin(w));
  EXPECT_FALSE(failed) << failed.why;
  EXPECT_TRUE(nothing_is_left());
  EXPECT_TRUE(log.says("r.json.partial: an nbdstream ended during a commit"));
  run(prepare(w));
  EXPECT_FALSE(std::filesystem::exists(at));
  run(finish(w));
  EXPECT_FALSE(failed) << failed.why;
  EXPECT_EQ(std::filesystem::file_size(at), 5u);
}

TEST_F(ReceiptWriter, LeavesNothingWhenItIsDiscarded) {
  receipt::writer w(l.executor(), at, std::chrono::seconds(10), log);
  run(prepare(w));
  run(discard(w));
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(ReceiptWriter, WaitsNoLongerForADiskThanItMay) {
  the_disk().set(true);
  {
    receipt::writer w(l.executor(), at, std::chrono::milliseconds(30), log);
    run(prepare(w));
    EXPECT_EQ(failed.code.value(), ETIMEDOUT);
    run(discard(w));
  }
  the_disk().set(false);
  EXPECT_TRUE(l.until([&] { return nothing_is_left(); }));
}

TEST_F(ReceiptWriter, WaitsForNothingWhenItIsAbandoned) {
  the_disk().set(true);
  {
    receipt::writer w(l.executor(), at, std::chrono::hours(1), log);
    l.spawn(prepare(w));
    ASSERT_TRUE(l.until([] { return the_disk().is_waited_for(); }));
    w.abandon();
    l.finish();
    EXPECT_EQ(failed.code, asio::error::operation_aborted);
    run(discard(w));
  }
  the_disk().set(false);
  EXPECT_TRUE(l.until([&] { return nothing_is_left(); }));
}

}  // namespace
}  // namespace nbdstream::test
