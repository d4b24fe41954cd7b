// SPDX-License-Identifier: BSD-3-Clause
#include "reader_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace nbdstream::medium {

void reader_watch::begin(int fd) noexcept {
  if (!events_) events_ = medium::descriptor(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "/proc/self/fd/%d", fd);
  // The path may also be taken away from it.
  constexpr std::uint32_t what =
      IN_OPEN | IN_CLOSE_NOWRITE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;
  const int last = watch_;
  watch_ = events_ ? ::inotify_add_watch(events_.get(), name.data(), what) : -1;
  if (last >= 0 && last != watch_) (void)::inotify_rm_watch(events_.get(), last);
  read_events();
  opened_ = closed_ = closing_is_new_ = false;
}

bool reader_watch::reader_has_closed() noexcept {
  read_events();
  const bool is_new = closing_is_new_;
  closing_is_new_ = false;
  return is_new;
}

bool reader_watch::reader_was_exchanged() noexcept {
  read_events();
  return opened_ && closed_;
}

void reader_watch::read_events() noexcept {
  alignas(inotify_event) std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t length = events_ ? ::read(events_.get(), buffer.data(), buffer.size()) : -1;
    if (length <= 0) return;
    for (ssize_t at = 0; at < length;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const bool closed = (event.mask & (IN_CLOSE_NOWRITE | IN_Q_OVERFLOW)) != 0;
      closed_ = closed_ || closed;
      closing_is_new_ = closing_is_new_ || closed;
      opened_ = opened_ || (event.mask & (IN_OPEN | IN_Q_OVERFLOW)) != 0;
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
}

}  // namespace nbdstream::medium
