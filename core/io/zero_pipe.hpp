// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_ZERO_PIPE_HPP
#define NBDSTREAM_IO_ZERO_PIPE_HPP

#include "io/pipe.hpp"

#include <cstdint>

namespace nbdstream::io {

/// A pipe full of zeroes that is never read: tee(2) gives other pipes references to its pages, so
/// that a zero costs neither a copy nor a byte of memory.
class zero_pipe {
 public:
  /// As large as this process may have one; unusable where there are no descriptors left.
  zero_pipe();

  [[nodiscard]] bool usable() const noexcept { return size_ > 0; }

  /// Puts up to `count` (1 or more) zeroes into the pipe `to`, never waiting. Returns how many, 1
  /// or more, or -errno: -EAGAIN where the pipe is full. State: usable.
  [[nodiscard]] std::int64_t tee_to(int to, std::uint64_t count) const noexcept;

 private:
  pipe_ends ends_;  ///< both stay open: a pipe without a writer is at its end
  std::uint64_t size_ = 0;
};

}  // namespace nbdstream::io
#endif
