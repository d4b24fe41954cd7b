// SPDX-License-Identifier: BSD-3-Clause
#include "io/fd_waiter.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace nbdstream::io {
namespace {

/// How often a descriptor is looked at that could not be registered for want of memory, say.
constexpr auto look_interval = std::chrono::milliseconds(10);

/// A relative timeout; 0 disarms, so a time that has passed becomes a nanosecond.
itimerspec timer_setting(clock::time_point until) {
  itimerspec setting{};
  if (until == clock::time_point::max()) return setting;
  const auto left =
      std::max(std::chrono::nanoseconds(until - clock::now()), std::chrono::nanoseconds(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  setting.it_value.tv_sec = seconds.count();
  setting.it_value.tv_nsec = (left - seconds).count();
  return setting;
}

}  // namespace

fd_waiter::fd_waiter(const asio::any_io_executor& executor)
    : epoll_(executor), timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  unique_fd set(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  if (!timer_ || !set || ::epoll_ctl(set.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0) {
    throw boost::system::system_error(from_errno(), "epoll");
  }
  epoll_.assign(set.release());
}

awaitable<void> fd_waiter::wait(int fd, std::uint32_t events, clock::time_point until) {
  epoll_event event{};
  event.events = events;  // EPOLLIN and so on have the values of POLLIN and so on
  const bool registered =
      fd >= 0 && ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
  if (fd < 0 || registered) {
    co_await sleep(until);
    if (registered) ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, fd, nullptr);
  } else if (errno == EPERM) {
    // A file, which is always ready; but who asks again and again must not keep the loop from
    // others.
    co_await asio::post(asio::use_awaitable);
  } else {
    co_await look_now_and_then(fd, events, until);
  }
}

awaitable<void> fd_waiter::look_now_and_then(int fd, std::uint32_t events,
                                             clock::time_point until) {
  pollfd p{fd, static_cast<short>(events), 0};
  // The first sleep comes first: what poll() cannot wait for either must not make us spin.
  do {
    const auto cancelled = co_await sleep(std::min(until, clock::now() + look_interval));
    if (cancelled) co_return;
  } while (::poll(&p, 1, 0) == 0 && clock::now() < until);
}

awaitable<error_code> fd_waiter::sleep(clock::time_point until) {
  const auto setting = timer_setting(until);
  ::timerfd_settime(timer_.get(), 0, &setting, nullptr);
  waiting_ = true;
  const auto [error] = co_await epoll_.async_wait(asio::posix::descriptor_base::wait_read,
                                                  asio::as_tuple(asio::use_awaitable));
  waiting_ = false;
  const itimerspec disarmed{};
  ::timerfd_settime(timer_.get(), 0, &disarmed, nullptr);
  co_return error;
}

void fd_waiter::cancel() {
  epoll_.cancel();
}

}  // namespace nbdstream::io
