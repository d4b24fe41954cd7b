// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_PROTOCOL_READ_LAYOUT_HPP
#define NBDSTREAM_PROTOCOL_READ_LAYOUT_HPP

#include <cstdint>
#include <vector>

namespace nbdstream::protocol {

/// How the answer to a READ is cut into chunks: of data, and of holes for its zeroes where that is
/// worth a chunk. Holes begin and end at multiples of 512 bytes where they do not reach the ends of
/// the READ, so a READ of 32 MiB has at most some 2^14 chunks.
class read_layout {
 public:
  /// Zeroes for less are sent as data: 4 KiB.
  static constexpr std::uint64_t least_hole = 4 << 10;  // bytes

  read_layout(std::uint64_t begin, std::uint64_t end) noexcept : begin_(begin), end_(end) {}

  /// [begin, end) of the READ is zero. In rising order; those that touch become one.
  void zeroes(std::uint64_t begin, std::uint64_t end);

  struct chunk {
    std::uint64_t begin, end;
    bool hole;
    bool operator==(const chunk&) const = default;
  };
  /// All of it, in rising order. `whole`: in one chunk ("Command flags": NBD_CMD_FLAG_DF).
  [[nodiscard]] std::vector<chunk> chunks(bool whole) const;

 private:
  [[nodiscard]] chunk rounded_hole(chunk zero) const noexcept;

  std::uint64_t begin_, end_;
  std::vector<chunk> zeroes_;  ///< of them only the last may be too small
};

}  // namespace nbdstream::protocol
#endif
