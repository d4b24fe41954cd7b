// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STAGE_FINGERPRINT_HPP
#define NBDSTREAM_STAGE_FINGERPRINT_HPP

#include "config/config.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::stage {

/// What tells one stream from another.
struct fingerprint {
  /// Of each block of this many bytes of the stream, and of what is left at its end, there is an
  /// XXH3-128: it shows where two streams differ.
  static constexpr std::uint64_t block_size = std::uint64_t{64} << 20;  // bytes
  using block_digest = std::array<std::byte, 16>;

  std::string algorithm;     ///< of `value`: see name_of()
  std::string value;         ///< the digest of all of it, in lower-case hexadecimal digits
  std::uint64_t length = 0;  ///< bytes
  std::vector<block_digest> blocks;
};

/// "sha256", as sha256sum computes it; "blake2b-512", as b2sum does; "xxh3-128", as xxh128sum does.
[[nodiscard]] std::string_view name_of(config::digest_algorithm a) noexcept;

[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);

}  // namespace nbdstream::stage
#endif
