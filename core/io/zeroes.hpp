// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_ZEROES_HPP
#define NBDSTREAM_IO_ZEROES_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace nbdstream::io {

/// Memory that is never written to: pages of it may sit in a pipe.
inline constexpr std::array<std::byte, 256 << 10> zero_block{};

/// The next piece, 1 byte or more, of `count` (1 or more) zero bytes that are to be sent.
[[nodiscard]] inline std::span<const std::byte> zero_piece(std::uint64_t count) noexcept {
  return std::span(zero_block).first(std::min<std::uint64_t>(count, zero_block.size()));
}

}  // namespace nbdstream::io
#endif
