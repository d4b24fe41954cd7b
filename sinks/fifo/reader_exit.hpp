// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FIFO_READER_EXIT_HPP
#define NBDSTREAM_SINKS_FIFO_READER_EXIT_HPP

#include <sys/stat.h>

#include <string>

#include "../medium/reader_watch.hpp"
#include "../medium/retry.hpp"

namespace nbdstream::fifo {

/// Waits until the readers of the stream that has ended have closed a FIFO that we may not
/// replace: whoever still has it open would take the next stream for a continuation.
///
/// Opening the write end to see whether anyone is there is no way to find out: it would complete
/// the open() of the next reader, to whom our closing it again is the end of an empty stream. So
/// inotify tells; only where it is not to be had we try, and readers may see empty streams.
class reader_exit {
 public:
  /// When a stream begins to be written to `fd`.
  void watch(int fd) noexcept { watch_.begin(fd); }
  /// Whether other readers than in the beginning may have a part of the stream.
  [[nodiscard]] bool reader_was_exchanged() noexcept { return watch_.reader_was_exchanged(); }

  /// To be called while the write end `fd` is still open, just before it is closed.
  void expect(int fd) noexcept;

  /// Before the write end is opened for the next stream: 0 or -EAGAIN.
  int wait(const std::string& path, medium::retry& wait);

  /// After it was opened as `fd`: 0 if it can be used, -EAGAIN if it is to be kept open and this
  /// asked again, or -ENXIO if no new reader is there after all, and it is to be closed.
  int confirm(int fd, medium::retry& wait) noexcept;

 private:
  enum class state { nothing_to_wait_for, waiting, closing };

  void reset() noexcept;

  state state_ = state::nothing_to_wait_for;
  medium::reader_watch watch_;
  struct stat pipe_ {};
  int capacity_ = 0;
  int confirmations_ = 0;
};

}  // namespace nbdstream::fifo

#endif
