// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_DISCARD_HPP
#define NBDSTREAM_IO_DISCARD_HPP

#include "io/pipe.hpp"
#include "io/splice_result.hpp"

#include <cstddef>
#include <cstdint>

namespace nbdstream::io {

/// Drops what a socket has received, in the kernel: the bytes are never copied to this process.
class discard {
 public:
  /// Whether `fd` is the null device, open for writing: it takes everything and keeps nothing.
  [[nodiscard]] static bool is_null_device(int fd) noexcept;

  /// Drops up to `count` (1 or more) bytes of `source`, a socket that does not block or a pipe, at
  /// most 4 MiB at a time, so that others are served.
  /// Never waits; `source_empty` may be set beside `moved`. `null`: a descriptor of the null
  /// device, open for writing.
  [[nodiscard]] splice_result take(int source, int null, std::uint64_t count);

 private:
  /// Empties the pipe of its `count` bytes.
  void empty(int null, std::size_t count);

  pipe_ends ends_;  ///< through which they go, as splice(2) needs one; empty between two calls
};

}  // namespace nbdstream::io
#endif
