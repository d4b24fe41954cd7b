// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SEEKABLE_ZEROES_HPP
#define NBDSTREAM_SEEKABLE_ZEROES_HPP

#include <cstddef>
#include <cstring>
#include <span>

namespace nbdstream::seekable {

/// Whether all of it is zeroes. It looks no further than the first byte that is not.
[[nodiscard]] inline bool is_zeroes(std::span<const std::byte> data) noexcept {
  if (data.empty()) return true;
  // Each byte is as the one before it, and the first is zero.
  return data.front() == std::byte{0} &&
         std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}

}  // namespace nbdstream::seekable
#endif
