// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_READER_WATCH_HPP
#define NBDSTREAM_SINKS_MEDIUM_READER_WATCH_HPP

#include "descriptor.hpp"

namespace nbdstream::medium {

/// Watches who opens and closes a FIFO, by inotify. The write end shows only whether it has a
/// reader now, not that one has left and another has come.
///
/// There is no watch where inotify is not to be had, or the FIFO is one that we may write but not
/// read.
class reader_watch {
 public:
  /// Begins to watch the FIFO that is open as `fd`, and forgets what has been seen.
  void begin(int fd) noexcept;

  [[nodiscard]] bool works() const noexcept { return watch_ >= 0; }
  /// Readable when something has happened.
  [[nodiscard]] int descriptor() const noexcept { return events_.get(); }

  /// Whether a reader has closed it since begin(), or since this was called last.
  [[nodiscard]] bool reader_has_closed() noexcept;

  /// Whether since begin() a reader has closed it and somebody else has opened it, in whatever
  /// order: then each of them may have a part of the stream.
  [[nodiscard]] bool reader_was_exchanged() noexcept;

 private:
  void read_events() noexcept;

  // Kept from stream to stream: closing an inotify instance takes the kernel many milliseconds.
  medium::descriptor events_;
  int watch_ = -1;  // negative: there is none
  bool opened_ = false;
  bool closed_ = false;
  bool closing_is_new_ = false;
};

}  // namespace nbdstream::medium

#endif
