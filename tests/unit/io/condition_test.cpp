// SPDX-License-Identifier: BSD-3-Clause
#include "io/condition.hpp"

#include "io/async_scope.hpp"
#include "io/watchdog.hpp"
#include "loop.hpp"

#include <stdexcept>
#include <vector>

namespace nbdstream::test {
namespace {

using std::chrono::milliseconds;

awaitable<void> wait_once(io::condition& c, int& woken, io::clock::time_point until) {
  co_await c.wait(until);
  ++woken;
}

TEST(Condition, NotifyAllWakesEveryWaiterAfterItReturns) {
  loop l;
  io::condition c(l.executor());
  int woken = 0;
  for (int i = 0; i < 3; ++i) l.spawn(wait_once(c, woken, io::clock::time_point::max()));
  l.poll();
  EXPECT_EQ(woken, 0);
  c.notify_all();
  EXPECT_EQ(woken, 0);
  l.finish();
  EXPECT_EQ(woken, 3);
}

TEST(Condition, WaitEndsAtItsDeadline) {
  loop l;
  io::condition c(l.executor());
  int woken = 0;
  l.spawn(wait_once(c, woken, io::clock::now() + milliseconds(5)));
  l.finish();
  l.spawn(wait_once(c, woken, io::clock::now() - milliseconds(5)));
  l.finish();
  EXPECT_EQ(woken, 2);
}

awaitable<void> take_turn(io::fair_mutex& t, io::condition& go_on, int id,
                          std::vector<int>& order) {
  auto turn = co_await t.wait_and_enter();
  order.push_back(id);
  co_await go_on.wait();
}

TEST(FairMutex, AdmitsOneAtATimeInOrderOfArrival) {
  loop l;
  io::fair_mutex t(l.executor());
  io::condition go_on(l.executor());
  std::vector<int> order;
  EXPECT_TRUE(t.free());
  for (int i = 0; i < 5; ++i) l.spawn(take_turn(t, go_on, i, order));
  for (int i = 1; i <= 5; ++i) {
    l.poll();
    EXPECT_EQ(order.size(), static_cast<std::size_t>(i));
    EXPECT_FALSE(t.free());
    go_on.notify_all();
  }
  l.finish();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(t.free());
}

TEST(FairMutex, TurnCanBeMovedAndIsReleasedOnce) {
  loop l;
  io::fair_mutex t(l.executor());
  auto first = t.enter();
  io::fair_mutex::turn second = std::move(first);
  first.release();
  EXPECT_FALSE(t.free());
  second.release();
  EXPECT_TRUE(t.free());
  second.release();
  EXPECT_TRUE(t.free());
  second = t.enter();
  EXPECT_FALSE(t.free());
  second = io::fair_mutex::turn();
  EXPECT_TRUE(t.free());
}

awaitable<void> fail_with(const char* what) {
  throw std::runtime_error(what);
  co_return;
}

awaitable<void> join(io::async_scope& scope, bool& joined) {
  co_await scope.join();
  joined = true;
}

TEST(AsyncScope, JoinWaitsForTheLastTask) {
  loop l;
  io::async_scope scope(l.executor(), [](std::exception_ptr) { FAIL(); });
  io::condition c(l.executor());
  int woken = 0;
  bool joined = false;
  scope.spawn(wait_once(c, woken, io::clock::time_point::max()));
  scope.spawn(wait_once(c, woken, io::clock::time_point::max()));
  l.spawn(join(scope, joined));
  l.poll();
  EXPECT_FALSE(joined);
  EXPECT_FALSE(scope.empty());
  c.notify_all();
  l.finish();
  EXPECT_TRUE(joined);
  EXPECT_TRUE(scope.empty());
  EXPECT_EQ(woken, 2);
}

TEST(AsyncScope, ExceptionIsReportedAndJoinEnds) {
  loop l;
  int failures = 0;
  io::async_scope scope(l.executor(), [&](std::exception_ptr e) {
    EXPECT_TRUE(e);
    ++failures;
  });
  bool joined = false;
  scope.spawn(fail_with("a task"));
  l.spawn(join(scope, joined));
  l.finish();
  EXPECT_EQ(failures, 1);
  EXPECT_TRUE(joined);
}

TEST(AsyncScope, JoinWithoutTasksEndsAtOnce) {
  loop l;
  io::async_scope scope(l.executor(), [](std::exception_ptr) {});
  bool joined = false;
  l.spawn(join(scope, joined));
  l.finish();
  EXPECT_TRUE(joined);
}

/// Counts the deadlines that pass.
awaitable<void> count(io::watchdog& dog, int& passed) {
  for (;;) {
    const bool expired = co_await dog.expired();
    if (!expired) co_return;
    ++passed;
  }
}

TEST(Watchdog, ReportsAnExpiredDeadlineOnce) {
  loop l;
  int passed = 0;
  io::watchdog dog(l.executor());
  l.spawn(count(dog, passed));
  dog.expect_within(milliseconds(5));
  EXPECT_TRUE(l.until([&] { return passed == 1; }));
  const auto end = io::clock::now() + milliseconds(100);
  EXPECT_TRUE(l.until([&] { return io::clock::now() >= end; }));
  EXPECT_EQ(passed, 1);
  dog.expect_within(milliseconds(5));
  EXPECT_TRUE(l.until([&] { return passed == 2; }));
  dog.stop();
  l.finish();
}

TEST(Watchdog, ProgressPostponesTheDeadline) {
  loop l;
  int passed = 0;
  io::watchdog dog(l.executor());
  l.spawn(count(dog, passed));
  const auto end = io::clock::now() + milliseconds(60);
  EXPECT_TRUE(l.until([&] {
    dog.expect_within(std::chrono::seconds(10));
    return io::clock::now() >= end;
  }));
  dog.rest();
  EXPECT_EQ(passed, 0);
  dog.stop();
  l.finish();
}

TEST(Watchdog, ProgressWhileTheProcessWasStoppedCounts) {
  loop l;
  int passed = 0;
  io::watchdog dog(l.executor());
  l.spawn(count(dog, passed));
  dog.expect_within(milliseconds(5));
  l.poll();
  // As after SIGCONT: the deadline has passed, and progress is seen only now.
  std::this_thread::sleep_for(milliseconds(20));
  l.poll();
  dog.expect_within(std::chrono::hours(1));
  const auto end = io::clock::now() + milliseconds(100);
  EXPECT_TRUE(l.until([&] { return io::clock::now() >= end; }));
  EXPECT_EQ(passed, 0);
  dog.stop();
  l.finish();
}

TEST(Watchdog, DeadlineCanBeMovedEarlier) {
  loop l;
  int passed = 0;
  io::watchdog dog(l.executor());
  dog.expect_within(std::chrono::hours(1));
  l.spawn(count(dog, passed));
  l.poll();
  dog.expect_within(milliseconds(5));
  EXPECT_TRUE(l.until([&] { return passed == 1; }));
  dog.stop();
  l.finish();
}

TEST(Watchdog, StopBeforeTheWaitReportsNothing) {
  loop l;
  int passed = 0;
  io::watchdog dog(l.executor());
  dog.stop();
  l.spawn(count(dog, passed));
  l.finish();
  EXPECT_EQ(passed, 0);
}

}  // namespace
}  // namespace nbdstream::test
