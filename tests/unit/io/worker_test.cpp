// SPDX-License-Identifier: BSD-3-Clause
#include "io/worker.hpp"

#include "loop.hpp"

#include <poll.h>

#include <atomic>
#include <thread>
#include <vector>

namespace nbdstream::test {
namespace {

using std::chrono::milliseconds;

struct worker_outcome {
  bool done = false;
  std::int64_t result = 0;
};

awaitable<void> run(io::worker& w, io::worker::job job, worker_outcome& into,
                    io::clock::time_point deadline = io::clock::time_point::max()) {
  into.result = co_await w.run(std::move(job), deadline);
  into.done = true;
}

/// A call that blocks until there is something to read.
io::worker::job blocked_on(int fd) {
  return [fd] {
    pollfd p{fd, POLLIN, 0};
    return std::int64_t{::poll(&p, 1, 20'000)};
  };
}

TEST(Worker, CallRunsOnAThreadAndItsResultIsReturned) {
  loop l;
  io::worker w(l.executor());
  std::thread::id where;
  for (const std::int64_t value : {std::int64_t{42}, std::int64_t{-5}, std::int64_t{1} << 62}) {
    worker_outcome o;
    l.spawn(run(
        w,
        [&where, value] {
          where = std::this_thread::get_id();
          return value;
        },
        o));
    l.finish();
    EXPECT_EQ(o.result, value);
    EXPECT_NE(where, std::this_thread::get_id());
    EXPECT_FALSE(w.busy());
  }
}

TEST(Worker, IsNotBusyBeforeItsFirstCall) {
  loop l;
  const io::worker w(l.executor());
  EXPECT_FALSE(w.busy());
}

TEST(Worker, BlocksAllSignalsOnItsThread) {
  loop l;
  io::worker w(l.executor());
  worker_outcome o;
  l.spawn(run(
      w,
      [] {
        sigset_t blocked;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
        return std::int64_t{::sigismember(&blocked, SIGTERM) && ::sigismember(&blocked, SIGINT)};
      },
      o));
  l.finish();
  EXPECT_EQ(o.result, 1);
  sigset_t here;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &here);
  EXPECT_FALSE(::sigismember(&here, SIGTERM));
}

TEST(Worker, LoopRunsWhileACallBlocks) {
  loop l;
  auto p = make_pipe();
  io::worker w(l.executor());
  worker_outcome o;
  l.spawn(run(w, blocked_on(p.read.get()), o));
  l.poll();
  EXPECT_TRUE(w.busy());
  EXPECT_FALSE(o.done);
  ASSERT_EQ(::write(p.write.get(), "x", 1), 1);
  l.finish();
  EXPECT_EQ(o.result, 1);
}

TEST(Worker, InterruptIsRepeatedUntilTheCallReturns) {
  loop l;
  auto p = make_pipe();
  io::worker w(l.executor());
  worker_outcome o;
  l.spawn(run(w, blocked_on(p.read.get()), o));
  l.poll();
  int interrupts = 0;
  w.interrupt([&] {
    if (++interrupts < 2) return;
    EXPECT_EQ(::write(p.write.get(), "x", 1), 1);
  });
  l.finish();
  EXPECT_EQ(o.result, 1);
  EXPECT_GE(interrupts, 2);
  EXPECT_FALSE(w.abandoned());

  // That was for this call, not for the next.
  worker_outcome next;
  const auto before = interrupts;
  l.spawn(run(
      w, [] { return std::int64_t{7}; }, next));
  l.finish();
  EXPECT_EQ(next.result, 7);
  EXPECT_EQ(interrupts, before);
}

TEST(Worker, InterruptWithoutACallDoesNothing) {
  loop l;
  io::worker w(l.executor());
  w.interrupt([] { FAIL(); });
  worker_outcome o;
  l.spawn(run(
      w, [] { return std::int64_t{1}; }, o));
  l.finish();
  EXPECT_EQ(o.result, 1);
}

/// Kept for good: the thread of an abandoned call outlives its worker.
struct stubborn_call {
  std::atomic<bool> end = false;
  std::atomic<bool> ended = false;
};

TEST(Worker, HangingCallIsAbandonedAtItsDeadlineOrOnRequest) {
  auto call = std::make_shared<stubborn_call>();
  const auto job = [call] {
    while (!call->end) std::this_thread::yield();
    call->ended = true;
    return std::int64_t{0};
  };
  for (const bool asked : {false, true}) {
    call->end = call->ended = false;
    loop l;
    worker_outcome o;
    {
      io::worker w(l.executor());
      const auto soon = io::clock::now() + milliseconds(20);
      l.spawn(run(w, job, o, asked ? io::clock::time_point::max() : soon));
      l.poll();
      if (asked) w.abandon();
      l.finish();
      EXPECT_EQ(o.result, asked ? -ECANCELED : -ETIMEDOUT);
      EXPECT_TRUE(w.abandoned());
      worker_outcome next;
      l.spawn(run(
          w, [] { return std::int64_t{1}; }, next));
      l.finish();
      EXPECT_EQ(next.result, -ECANCELED) << "no other call is made";
    }
    EXPECT_TRUE(io::worker::left_behind());
    call->end = true;
    EXPECT_TRUE(l.until([&] { return call->ended.load(); }));
  }
}

TEST(Worker, LastCallRunsAfterTheWorkerIsDestroyed) {
  auto call = std::make_shared<stubborn_call>();
  loop l;
  {
    io::worker w(l.executor());
    worker_outcome o;
    l.spawn(run(
        w, [] { return std::int64_t{1}; }, o));
    l.finish();
    w.at_end([call] {
      while (!call->end) std::this_thread::yield();
      call->ended = true;
      return std::int64_t{0};
    });
  }
  EXPECT_FALSE(call->ended);
  call->end = true;
  EXPECT_TRUE(l.until([&] { return call->ended.load(); }));
}

}  // namespace
}  // namespace nbdstream::test
