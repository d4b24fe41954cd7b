// SPDX-License-Identifier: BSD-3-Clause
#include "io/fd_waiter.hpp"

#include "loop.hpp"
#include "support/temp_directory.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

#include <array>
#include <functional>

namespace nbdstream::test {
namespace {

using std::chrono::milliseconds;

awaitable<void> wait_for(io::fd_waiter& r, int fd, std::uint32_t events, bool& woken,
                         io::clock::time_point until = io::clock::time_point::max()) {
  co_await r.wait(fd, events, until);
  woken = true;
}

TEST(FdWaiter, WakesWhenReadyAndKeepsTheFlags) {
  loop l;
  auto p = make_pipe();
  io::fd_waiter r(l.executor());
  for (int round = 0; round < 3; ++round) {
    bool woken = false;
    l.spawn(wait_for(r, p.read.get(), POLLIN, woken));
    l.poll();
    EXPECT_FALSE(woken);
    EXPECT_FALSE(nonblocking(p.read.get()));
    ASSERT_EQ(::write(p.write.get(), "x", 1), 1);
    l.finish();
    EXPECT_TRUE(woken);
    EXPECT_FALSE(nonblocking(p.read.get()));
    char c = 0;
    ASSERT_EQ(::read(p.read.get(), &c, 1), 1);
  }
}

TEST(FdWaiter, WakesAtOnceIfAlreadyReady) {
  loop l;
  auto p = make_pipe();
  io::fd_waiter r(l.executor());
  for (int round = 0; round < 3; ++round) {
    bool woken = false;
    l.spawn(wait_for(r, p.write.get(), POLLOUT, woken));
    l.finish();
    EXPECT_TRUE(woken);
  }
}

TEST(FdWaiter, WakesWhenThePeerCloses) {
  loop l;
  auto p = make_pipe();
  const std::string full(1 << 20, 'x');
  ::fcntl(p.write.get(), F_SETFL, O_NONBLOCK);
  while (::write(p.write.get(), full.data(), full.size()) > 0) continue;
  io::fd_waiter r(l.executor());
  bool woken = false;
  l.spawn(wait_for(r, p.write.get(), POLLOUT, woken));
  l.poll();
  EXPECT_FALSE(woken);
  p.read.reset();
  l.finish();
  EXPECT_TRUE(woken);
}

/// All that sinks/README.md says a module may name.
TEST(FdWaiter, WakesForEventfdTimerfdInotifyAndEpoll) {
  loop l;
  const temp_directory t;
  const io::unique_fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const io::unique_fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const io::unique_fd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ASSERT_GE(::inotify_add_watch(changes.get(), (t / ".").c_str(), IN_CREATE), 0);
  io::fd_waiter r(l.executor());
  const auto wakes = [&](int fd, const std::function<void()>& make_ready) {
    const io::unique_fd set(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event inside{};
    inside.events = EPOLLIN;
    ::epoll_ctl(set.get(), EPOLL_CTL_ADD, fd, &inside);
    std::array<bool, 2> woken{};
    io::fd_waiter other(l.executor());
    l.spawn(wait_for(r, fd, POLLIN, woken[0]));
    l.spawn(wait_for(other, set.get(), POLLIN, woken[1]));
    l.poll();
    EXPECT_FALSE(woken[0] || woken[1]);
    make_ready();
    l.finish();
    EXPECT_TRUE(woken[0] && woken[1]);
  };
  wakes(event.get(), [&] { ::eventfd_write(event.get(), 1); });
  wakes(timer.get(), [&] {
    const itimerspec soon{{}, {0, 1}};
    ::timerfd_settime(timer.get(), 0, &soon, nullptr);
  });
  wakes(changes.get(), [&] {
    const io::unique_fd made(::open((t / "made").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  });
}

TEST(FdWaiter, RegularFileIsAlwaysReady) {
  loop l;
  const temp_directory t;
  const io::unique_fd file(::open((t / "file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  io::fd_waiter r(l.executor());
  bool woken = false;
  l.spawn(wait_for(r, file.get(), POLLIN, woken));
  l.finish();
  EXPECT_TRUE(woken);
}

TEST(FdWaiter, WakesAtItsDeadlineAndCanWaitAgain) {
  loop l;
  auto p = make_pipe();
  io::fd_waiter r(l.executor());
  for (const int fd : {-1, p.read.get()}) {
    bool woken = false;
    const auto begun = io::clock::now();
    l.spawn(wait_for(r, fd, POLLIN, woken, begun + milliseconds(10)));
    l.finish();
    EXPECT_GE(io::clock::now() - begun, milliseconds(10));
    bool past = false;
    l.spawn(wait_for(r, fd, POLLIN, past, begun));
    l.finish();
    EXPECT_TRUE(past);
  }
  // The timer of the waits before does not end one without a deadline.
  bool woken = false;
  l.spawn(wait_for(r, p.read.get(), POLLIN, woken));
  l.poll();
  EXPECT_FALSE(woken);
  ASSERT_EQ(::write(p.write.get(), "x", 1), 1);
  l.finish();
}

TEST(FdWaiter, CancelEndsTheWaitAndItCanWaitAgain) {
  loop l;
  auto p = make_pipe();
  io::fd_waiter r(l.executor());
  for (int round = 0; round < 2; ++round) {
    bool woken = false;
    l.spawn(wait_for(r, round == 0 ? -1 : p.read.get(), POLLIN, woken));
    l.poll();
    EXPECT_FALSE(woken);
    r.cancel();
    l.finish();
    EXPECT_TRUE(woken);
  }
  bool woken = false;
  l.spawn(wait_for(r, p.write.get(), POLLOUT, woken));
  l.finish();
  EXPECT_TRUE(woken);
}

/// An event that stands behind so many sets of epoll that no further one may watch it (ELOOP).
struct unwatchable {
  io::unique_fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::array<io::unique_fd, 4> sets;

  unwatchable() {
    int inner = event.get();
    for (auto& set : sets) {
      set.reset(::epoll_create1(EPOLL_CLOEXEC));
      epoll_event wanted{};
      wanted.events = EPOLLIN;
      EXPECT_EQ(::epoll_ctl(set.get(), EPOLL_CTL_ADD, inner, &wanted), 0);
      inner = set.get();
    }
  }
  [[nodiscard]] int fd() const { return sets.back().get(); }
  void happens() const { EXPECT_EQ(::eventfd_write(event.get(), 1), 0); }
};

TEST(FdWaiter, WaitsForADescriptorThatEpollRefuses) {
  loop l;
  const unwatchable u;
  io::fd_waiter r(l.executor());
  bool woken = false;
  l.spawn(wait_for(r, u.fd(), POLLIN, woken));
  const auto until = io::clock::now() + milliseconds(50);
  EXPECT_TRUE(l.until([&] { return io::clock::now() >= until; }));
  EXPECT_FALSE(woken);
  u.happens();
  l.finish();
  EXPECT_TRUE(woken);
}

TEST(FdWaiter, WaitWithoutEpollEndsAtDeadlineAndOnCancel) {
  loop l;
  const unwatchable u;
  io::fd_waiter r(l.executor());
  bool late = false;
  const auto until = io::clock::now() + milliseconds(30);
  l.spawn(wait_for(r, u.fd(), POLLIN, late, until));
  l.finish();
  EXPECT_GE(io::clock::now(), until);
  bool cancelled = false;
  l.spawn(wait_for(r, u.fd(), POLLIN, cancelled));
  l.poll();
  EXPECT_FALSE(cancelled);
  r.cancel();
  l.finish();
}

TEST(FdWaiter, ClosedDescriptorCausesNoBusyLoop) {
  loop l;
  io::fd_waiter r(l.executor());
  const auto closed = make_pipe().read.get();
  ASSERT_EQ(::fcntl(closed, F_GETFD), -1);
  const auto begun = io::clock::now();
  bool woken = false;
  l.spawn(wait_for(r, closed, POLLIN, woken));
  l.finish();
  EXPECT_GE(io::clock::now() - begun, milliseconds(5));
}

}  // namespace
}  // namespace nbdstream::test
