// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_SPLICE_PIPE_HPP
#define NBDSTREAM_IO_SPLICE_PIPE_HPP

#include "io/pipe.hpp"

#include <atomic>
#include <cstdint>

namespace nbdstream::io {

/// Between a socket and a file, since splice(2) needs a pipe at one end. Empty between two calls.
class splice_pipe {
 public:
  /// As large as this process may have one; unusable where there are no descriptors left.
  splice_pipe();

  [[nodiscard]] bool usable() const noexcept { return static_cast<bool>(ends_.in); }

  /// Moves up to `count` (1 or more) bytes that `socket` has received to `file`, which may block:
  /// for a thread of its own. Returns how many, 0 at the end of the socket or if unsupported(),
  /// -EAGAIN where it has nothing now, -ECANCELED soon after `stop` is set, or -errno; after these
  /// two how many have reached the file is unknown, but not how many the socket has lost: see
  /// taken(). What the file does not take by splice is written to it.
  [[nodiscard]] std::int64_t move(int socket, int file, std::uint64_t count,
                                  const std::atomic<bool>& stop);

  /// How many bytes the last move() has taken from the socket, whatever became of them.
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

  /// Whether one of them cannot be spliced: then move() gains nothing. No byte is lost by it.
  [[nodiscard]] bool unsupported() const noexcept { return unsupported_; }

 private:
  /// Returns 0 or -errno.
  [[nodiscard]] std::int64_t empty(int file, std::uint64_t count);
  [[nodiscard]] std::int64_t copy_out(int file, std::uint64_t count);

  pipe_ends ends_;
  bool unsupported_ = false;
  std::atomic<std::uint64_t> taken_ = 0;  ///< asked for also when the thread has been given up
};

}  // namespace nbdstream::io
#endif
