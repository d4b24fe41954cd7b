// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_RETRY_HPP
#define NBDSTREAM_SINKS_MEDIUM_RETRY_HPP

#include <nbdstream/sink.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>

namespace nbdstream::medium {

/// What poll() says of a descriptor right now, or in a moment; errors and hang-ups always count.
inline short events_now(int fd, short events = 0, int milliseconds = 0) noexcept {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, milliseconds) > 0 ? entry.revents : short{0};
}

/// When a call that says -EAGAIN is worth repeating. The functions that plan it return -EAGAIN,
/// for the call to return in its turn.
class retry {
 public:
  using duration = std::chrono::nanoseconds;

  /// After a while that grows from 1 ms to `ceiling`: for what no descriptor announces. A
  /// descriptor on which an error would end the wait can go along.
  int later(duration ceiling, int fd = -1) noexcept {
    timeout_ = std::min(interval_, ceiling);
    interval_ = timeout_ * 2;
    events_ = 0;
    // A hang-up that is there already stays there: waiting for it would be a busy loop.
    fd_ = fd >= 0 && events_now(fd) == 0 ? fd : -1;
    return -EAGAIN;
  }

  /// As soon as `fd` has one of `events`, or after `timeout` (negative: however long it takes).
  int when(int fd, short events, duration timeout = duration(-1)) noexcept {
    fd_ = fd;
    events_ = events;
    timeout_ = timeout;
    return -EAGAIN;
  }

  /// The wait is over; the next one starts with short intervals again.
  void start_over() noexcept { interval_ = shortest; }

  void describe(nbdstream_wait& wait) const noexcept {
    wait.fd = fd_;
    wait.events = static_cast<std::uint32_t>(events_);
    wait.timeout_ns = timeout_.count();
  }

 private:
  static constexpr duration shortest = std::chrono::milliseconds(1);

  duration interval_ = shortest;
  duration timeout_ = shortest;
  int fd_ = -1;
  short events_ = 0;
};

}  // namespace nbdstream::medium

#endif
