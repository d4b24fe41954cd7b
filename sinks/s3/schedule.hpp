// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_SCHEDULE_HPP
#define NBDSTREAM_SINKS_S3_SCHEDULE_HPP

#include <cstddef>
#include <cstdint>
#include <optional>

namespace nbdstream::s3 {

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t smallest_part = 5 * MiB;    ///< of S3, but for the last part
constexpr std::uint64_t largest_part = 5120 * MiB;  ///< of S3
constexpr std::uint64_t most_parts = 10000;         ///< of S3

/// How large each part of a stream is, in bytes. A stream of unknown length must neither have more
/// than 10,000 parts nor take much memory while it is small, so its parts grow: 1,200 of each size,
/// from 16 MiB to 2 GiB, which are 5.45 TiB.
class schedule {
 public:
  /// `fixed`: the size that the user wants for all; `size`: of the stream at most, where it is
  /// known.
  schedule(std::optional<std::uint64_t> fixed, std::optional<std::uint64_t> size) noexcept;

  /// The size of part `number` (1, 2, ...).
  [[nodiscard]] std::uint64_t size_of(std::uint64_t number) const noexcept;

  /// The length of the longest stream.
  [[nodiscard]] std::uint64_t capacity() const noexcept;

 private:
  std::uint64_t equal_ = 0;  ///< 0: they grow
};

/// How many buffers of `part` bytes there may be: one that is being filled, the others on their
/// way.
std::size_t buffer_count(std::uint64_t part, std::size_t connections,
                         std::uint64_t memory) noexcept;

}  // namespace nbdstream::s3
#endif
