// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STREAM_FILL_MAP_HPP
#define NBDSTREAM_STREAM_FILL_MAP_HPP

#include "stream/extents.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace nbdstream::stream {

/// A coarse picture of the disk as its stream fills it, in cells of equal size: to add to it costs
/// a few instructions, however large the disk. Where the size is not known the cells grow.
class fill_map {
 public:
  static constexpr std::size_t most_cells = 256;

  /// What a cell shows: of several things in it the one that stands last here.
  enum cell : char {
    untouched = '.',
    zeroes = '0',
    sent = '#',
    in_memory = 'm',
    in_spill = 's',
  };

  explicit fill_map(std::optional<std::uint64_t> size) noexcept;

  /// [begin, end) was sent.
  void add_zeroes(std::uint64_t begin, std::uint64_t end) noexcept { add(begin, end, zeroes); }
  void add_data(std::uint64_t begin, std::uint64_t end) noexcept { add(begin, end, sent); }

  struct picture {
    std::uint64_t cell_bytes;  ///< a power of two
    std::string cells;         ///< a character for each
  };
  /// What was sent, and painted over it what is held: as many cells as `size` has or, where that is
  /// not known, as have been touched. Looks at a few extents a cell only.
  [[nodiscard]] picture paint(const extents& held) const;

 private:
  void add(std::uint64_t begin, std::uint64_t end, cell what) noexcept;
  void grow_to(std::uint64_t end) noexcept;

  std::optional<std::uint64_t> size_;
  unsigned shift_ = 12;
  std::array<char, most_cells> cells_;
};

}  // namespace nbdstream::stream
#endif
