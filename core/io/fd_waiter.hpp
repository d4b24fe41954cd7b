// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_FD_WAITER_HPP
#define NBDSTREAM_IO_FD_WAITER_HPP

#include "io/condition.hpp"
#include "io/unique_fd.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstdint>

namespace nbdstream::io {

/// Waits until somebody else's descriptor is ready, without touching it. Asio's own async_wait
/// sets O_NONBLOCK on the open file description, which would break whoever shares it (an inherited
/// stdout), and keeps the descriptor registered. So the descriptor goes into a private epoll set
/// for the length of a wait, and Asio waits for that set.
class fd_waiter {
 public:
  /// Throws boost::system::system_error where there are no descriptors left.
  explicit fd_waiter(const asio::any_io_executor& executor);

  /// Until `fd` (-1: none) shows one of `events` (as in poll(2)), an error or a hang-up; or the
  /// time `until`; or cancel(). A descriptor that cannot be polled (a regular file) is ready. One
  /// that the system refuses to watch (no memory, a limit) is looked at every few milliseconds.
  [[nodiscard]] awaitable<void> wait(int fd, std::uint32_t events,
                                     clock::time_point until = clock::time_point::max());

  /// Ends a wait that is under way.
  void cancel();
  [[nodiscard]] bool waiting() const noexcept { return waiting_; }

 private:
  /// Until the set has something, or the time has come; an error: cancelled.
  [[nodiscard]] awaitable<error_code> sleep(clock::time_point until);
  [[nodiscard]] awaitable<void> look_now_and_then(int fd, std::uint32_t events,
                                                  clock::time_point until);

  asio::posix::stream_descriptor epoll_;
  unique_fd timer_;
  bool waiting_ = false;
};

}  // namespace nbdstream::io
#endif
