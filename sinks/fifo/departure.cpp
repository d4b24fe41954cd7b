// SPDX-License-Identifier: BSD-3-Clause
#include "departure.hpp"

#include <fcntl.h>
#include <sys/inotify.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "../medium/write_end.hpp"
#include "named_pipe.hpp"

namespace nbdstream::fifo {
namespace {

using namespace std::chrono_literals;
using medium::descriptor;

/// The path may come to lead elsewhere by ways of which the FIFO itself hears nothing.
constexpr auto look_again = 1s;

}  // namespace

void departure::expect(int fd) noexcept {
  over();
  if (::fstat(fd, &pipe_) < 0) return;
  capacity_ = ::fcntl(fd, F_GETPIPE_SZ);
  watch(fd);
  // The kernel announces that a reader closes, which is no news from here on, just before it stops
  // counting it, which may yet be.
  const int moment = watch_ >= 0 && saw_a_reader_close() ? 10 : 0;
  if ((medium::events_now(fd, 0, moment) & POLLERR) == 0) state_ = state::waiting;
}

void departure::over() noexcept {
  state_ = state::nothing_to_wait_for;
  confirmations_ = 0;
}

/// There is no watch where inotify is not to be had, or the FIFO is one that we may write but not
/// read.
void departure::watch(int fd) noexcept {
  if (!events_) events_ = descriptor(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "/proc/self/fd/%d", fd);
  constexpr std::uint32_t what = IN_CLOSE_NOWRITE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;
  const int last = watch_;
  watch_ = events_ ? ::inotify_add_watch(events_.get(), name.data(), what) : -1;
  if (last >= 0 && last != watch_) (void)::inotify_rm_watch(events_.get(), last);
}

int departure::wait(const std::string& path, medium::retry& wait) {
  if (state_ != state::waiting) return 0;
  struct stat named {};
  const bool led_elsewhere = ::stat(path.c_str(), &named) < 0 || !same_inode(named, pipe_);
  if (led_elsewhere) over();
  if (led_elsewhere) return 0;
  if (watch_ < 0) return 0;  // then confirm has to tell
  if (!saw_a_reader_close()) return wait.when(events_.get(), POLLIN, look_again);
  state_ = state::closing;
  // Announced just before it is so: whoever opens the write end next must find no reader.
  return wait.when(-1, 0, 2ms);
}

bool departure::saw_a_reader_close() noexcept {
  alignas(inotify_event) std::array<char, 4096> buffer;
  bool closed = false;
  for (;;) {
    const ssize_t length = ::read(events_.get(), buffer.data(), buffer.size());
    if (length <= 0) return closed;
    for (ssize_t at = 0; at < length;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      closed = closed || (event.mask & (IN_CLOSE_NOWRITE | IN_Q_OVERFLOW)) != 0;
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
}

int departure::confirm(int fd, medium::retry& wait) noexcept {
  if (state_ == state::nothing_to_wait_for) return 0;
  struct stat opened {};
  const bool same_pipe = ::fstat(fd, &opened) == 0 && same_inode(opened, pipe_) &&
                         ::fcntl(fd, F_GETPIPE_SZ) == capacity_;
  // When the last one has left, the kernel frees the buffer, and with it the capacity that we gave
  // it: a new buffer proves that we met a new reader.
  constexpr int enough = 5;  // 1 + 2 + 4 + 8 ms
  if (same_pipe && (state_ == state::waiting || medium::without_reader(fd))) {
    if (state_ == state::closing) over();
    return -ENXIO;
  }
  // As above: the write end may have been opened thanks to a reader that is already leaving. We
  // hold it, which harms nobody, and look.
  if (same_pipe && ++confirmations_ < enough) return wait.later(10ms, fd);
  over();
  return 0;
}

}  // namespace nbdstream::fifo
