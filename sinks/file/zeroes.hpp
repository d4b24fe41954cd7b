// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FILE_ZEROES_HPP
#define NBDSTREAM_SINKS_FILE_ZEROES_HPP

#include <cstdint>

namespace nbdstream::file {

/// Puts zeroes in the place of what a device holds, without sending them to it where that can be
/// done. A regular file takes them in the same way.
class zeroes {
 public:
  enum class way {
    discarded,  ///< the device forgets the bytes, and reads as zeroes from then on
    in_kernel,  ///< the device is told to write zeroes, or the kernel writes them
    none,       ///< neither is supported
  };

  /// `alignment`: a power of two. `first`: what to try first.
  explicit zeroes(std::uint64_t alignment, way first = way::discarded) noexcept
      : alignment_(alignment), way_(first) {}

  /// Up to `length` (1 or more) bytes from the offset of `fd` on, which moves on with them. Returns
  /// how many, or -errno; -ENOTSUP: they must be written like other bytes.
  std::int64_t put(int fd, std::uint64_t length);

  [[nodiscard]] way in_use() const noexcept { return way_; }

 private:
  /// 0 or -errno.
  int put_aligned(int fd, std::int64_t offset, std::int64_t length);

  std::uint64_t alignment_;
  way way_;
};

}  // namespace nbdstream::file

#endif
