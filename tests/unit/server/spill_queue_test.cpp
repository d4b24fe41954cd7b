// SPDX-License-Identifier: BSD-3-Clause
#include "server/spill_queue.hpp"

#include "rig.hpp"

#include <algorithm>
#include <cstring>
#include <list>
#include <string>

namespace nbdstream::test {
namespace {

constexpr auto capacity = spill_queue::capacity;

class SpillQueue : public ::testing::Test {
 protected:
  SpillQueue() { spawn_and_run(open(store)); }

  struct outcome {
    bool done = false;
    error_code error;
    std::size_t room = 0;
  };

  /// Adds the whole of `data`; what there is no room for has to wait.
  outcome& begin_add(std::string data, std::uint64_t offset) {
    auto& o = outcomes_.emplace_back();
    spawn(loop, add(queue, std::move(data), offset, o));
    run_dry(loop);
    return o;
  }
  void add_all(std::string data, std::uint64_t offset) {
    ASSERT_TRUE(begin_add(std::move(data), offset).done);
  }
  outcome& begin_write() {
    auto& o = outcomes_.emplace_back();
    spawn(loop, write(queue, o));
    run_dry(loop);
    return o;
  }
  outcome& begin_waiting() {
    auto& o = outcomes_.emplace_back();
    spawn(loop, wait(queue, o));
    run_dry(loop);
    return o;
  }
  [[nodiscard]] std::string kept(std::uint64_t offset, std::size_t size) const {
    std::string text(size, '?');
    EXPECT_TRUE(tape.bytes.get(offset, std::as_writable_bytes(std::span(text))));
    return text;
  }
  [[nodiscard]] std::ptrdiff_t calls() const { return std::ranges::count(tape.calls, "write"); }

  asio::io_context loop{1};
  spill_tape tape;
  spill_store store{loop.get_executor(),
                    {"a directory", fake_spill::maker(tape, loop.get_executor())}};
  spill_queue queue{loop.get_executor(), store};

 private:
  static awaitable<void> open(spill_store& s) {
    const auto failed = co_await s.open();
    EXPECT_FALSE(failed);
  }
  static awaitable<void> add(spill_queue& q, std::string data, std::uint64_t offset, outcome& o) {
    std::string_view left(data);
    while (!left.empty()) {
      const auto room = co_await q.room();
      if (room.empty()) break;
      const auto count = std::min(room.size(), left.size());
      std::memcpy(room.data(), left.data(), count);
      q.add(count, offset);
      offset += count;
      left.remove_prefix(count);
      o.room = room.size();
    }
    o.done = true;
  }
  static awaitable<void> write(spill_queue& q, outcome& o) {
    o.error = co_await q.write();
    o.done = true;
  }
  static awaitable<void> wait(spill_queue& q, outcome& o) {
    co_await q.wait_until_written();
    o.done = true;
  }
  void spawn_and_run(awaitable<void> task) {
    spawn(loop, std::move(task));
    run_dry(loop);
  }
  std::list<outcome> outcomes_;
};

TEST_F(SpillQueue, WritesAllQueuedPiecesWithOneCall) {
  add_all("behind", 1000);
  add_all("first", 0);
  add_all(" and", 1006);
  EXPECT_EQ(calls(), 0);
  EXPECT_TRUE(begin_write().done);
  EXPECT_EQ(calls(), 1);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(kept(0, 5), "first");
  EXPECT_EQ(kept(1000, 10), "behind and");
}

TEST_F(SpillQueue, AcceptsDataDuringAWrite) {
  tape.hangs_at = tape.calls.size();
  add_all("first", 0);
  const auto& writing = begin_write();
  ASSERT_FALSE(writing.done);
  add_all("second", 100);
  tape.release();
  run_dry(loop);
  EXPECT_TRUE(writing.done);
  EXPECT_FALSE(queue.empty()) << "what came later is of the next call";
  EXPECT_TRUE(begin_write().done);
  EXPECT_EQ(kept(0, 5) + kept(100, 6), "firstsecond");
}

TEST_F(SpillQueue, PayloadLargerThanItsCapacityIsKeptWhole) {
  std::string data(3 * capacity + 12345, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7919 >> 3);
  const auto& adding = begin_add(data, 777);
  for (int i = 0; i < 10 && !adding.done; ++i) {
    EXPECT_EQ(queue.added() - queue.written(), capacity);
    EXPECT_TRUE(begin_write().done);
  }
  ASSERT_TRUE(adding.done);
  EXPECT_TRUE(begin_write().done);
  EXPECT_EQ(kept(777, data.size()), data);
}

TEST_F(SpillQueue, LaterWriteOverwritesAnEarlierOne) {
  add_all("abcdef", 10);
  begin_write();
  add_all("XY", 12);
  begin_write();
  EXPECT_EQ(kept(10, 6), "abXYef");
}

TEST_F(SpillQueue, WaitEndsWithoutLaterPieces) {
  add_all("first", 0);
  tape.hangs_at = tape.calls.size();
  begin_write();
  const auto& waiting = begin_waiting();
  add_all("second", 100);
  EXPECT_FALSE(waiting.done);
  tape.release();
  run_dry(loop);
  EXPECT_TRUE(waiting.done);
  EXPECT_FALSE(queue.empty());
}

TEST_F(SpillQueue, WriteReturnsTheErrorOfTheDisk) {
  tape.fail_at = tape.calls.size();
  tape.fail_with = ENOSPC;
  add_all("first", 0);
  EXPECT_EQ(begin_write().error.value(), ENOSPC);
  EXPECT_FALSE(queue.empty());
}

TEST_F(SpillQueue, AbandonEndsEveryWait) {
  add_all(std::string(capacity, 'x'), 0);
  tape.hangs_at = tape.calls.size();
  const auto& writing = begin_write();
  const auto& adding = begin_add("more", capacity);
  const auto& waiting = begin_waiting();
  ASSERT_FALSE(writing.done || adding.done || waiting.done);
  store.abandon();
  queue.abandon();
  run_dry(loop);
  EXPECT_TRUE(writing.done && adding.done && waiting.done);
  EXPECT_EQ(writing.error, asio::error::operation_aborted);
}

}  // namespace
}  // namespace nbdstream::test
