// SPDX-License-Identifier: BSD-3-Clause
#include "reader_exit.hpp"

#include <fcntl.h>

#include "../medium/write_end.hpp"
#include "named_pipe.hpp"

namespace nbdstream::fifo {
namespace {

using namespace std::chrono_literals;

/// The path may come to lead elsewhere by ways of which the FIFO itself hears nothing.
constexpr auto look_again = 1s;

}  // namespace

void reader_exit::expect(int fd) noexcept {
  reset();
  if (::fstat(fd, &pipe_) < 0) return;
  capacity_ = ::fcntl(fd, F_GETPIPE_SZ);
  if (!watch_.works()) watch_.begin(fd);
  // The kernel announces that a reader closes, which is no news from here on, just before it stops
  // counting it, which may yet be.
  const int moment = watch_.reader_has_closed() ? 10 : 0;
  if ((medium::events_now(fd, 0, moment) & POLLERR) == 0) state_ = state::waiting;
}

void reader_exit::reset() noexcept {
  state_ = state::nothing_to_wait_for;
  confirmations_ = 0;
}

int reader_exit::wait(const std::string& path, medium::retry& wait) {
  if (state_ != state::waiting) return 0;
  struct stat named {};
  const bool led_elsewhere = ::stat(path.c_str(), &named) < 0 || !same_inode(named, pipe_);
  if (led_elsewhere) reset();
  if (led_elsewhere) return 0;
  if (!watch_.works()) return 0;  // then confirm has to tell
  if (!watch_.reader_has_closed()) return wait.when(watch_.descriptor(), POLLIN, look_again);
  state_ = state::closing;
  // Announced just before it is so: whoever opens the write end next must find no reader.
  return wait.when(-1, 0, 2ms);
}

int reader_exit::confirm(int fd, medium::retry& wait) noexcept {
  if (state_ == state::nothing_to_wait_for) return 0;
  struct stat opened {};
  const bool same_pipe = ::fstat(fd, &opened) == 0 && same_inode(opened, pipe_) &&
                         ::fcntl(fd, F_GETPIPE_SZ) == capacity_;
  // When the last one has left, the kernel frees the buffer, and with it the capacity that we gave
  // it: a new buffer proves that we met a new reader.
  constexpr int enough = 5;  // 1 + 2 + 4 + 8 ms
  if (same_pipe && (state_ == state::waiting || medium::without_reader(fd))) {
    if (state_ == state::closing) reset();
    return -ENXIO;
  }
  // As above: the write end may have been opened thanks to a reader that is already leaving. We
  // hold it, which harms nobody, and look.
  if (same_pipe && ++confirmations_ < enough) return wait.later(10ms, fd);
  reset();
  return 0;
}

}  // namespace nbdstream::fifo
