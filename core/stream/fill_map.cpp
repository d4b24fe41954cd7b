// SPDX-License-Identifier: BSD-3-Clause
#include "stream/fill_map.hpp"

#include <algorithm>

namespace nbdstream::stream {
namespace {

/// So many extents are looked at in each cell.
constexpr int extents_a_cell = 16;

int rank(char cell) noexcept {
  switch (cell) {
    case fill_map::zeroes: return 1;
    case fill_map::sent: return 2;
    case fill_map::in_memory: return 3;
    case fill_map::in_spill: return 4;
    default: return 0;
  }
}

char stronger(char one, char other) noexcept {
  return rank(one) < rank(other) ? other : one;
}

char cell_of(content what) noexcept {
  switch (what) {
    case content::zeroes: return fill_map::zeroes;
    case content::memory: return fill_map::in_memory;
    case content::spill: return fill_map::in_spill;
    case content::sent: return fill_map::sent;
  }
  return fill_map::untouched;
}

/// Behind the last cell that `end` bytes reach into.
std::uint64_t cells_up_to(std::uint64_t end, unsigned shift) noexcept {
  return end == 0 ? 0 : ((end - 1) >> shift) + 1;
}

}  // namespace

fill_map::fill_map(std::optional<std::uint64_t> size) noexcept : size_(size) {
  cells_.fill(untouched);
  if (size_) grow_to(*size_);
}

/// Cells become twice as large, two of them one, until they reach to `end`.
void fill_map::grow_to(std::uint64_t end) noexcept {
  for (; cells_up_to(end, shift_) > most_cells; ++shift_) {
    for (std::size_t i = 0; i < most_cells / 2; ++i) {
      cells_[i] = stronger(cells_[2 * i], cells_[2 * i + 1]);
    }
    std::fill(cells_.begin() + most_cells / 2, cells_.end(), untouched);
  }
}

void fill_map::add(std::uint64_t begin, std::uint64_t end, cell what) noexcept {
  if (begin >= end) return;
  if (cells_up_to(end, shift_) > most_cells) grow_to(end);
  const auto last = cells_up_to(end, shift_);
  for (auto i = begin >> shift_; i < last; ++i) cells_[i] = stronger(cells_[i], what);
}

fill_map::picture fill_map::paint(const extents& held) const {
  auto shown = *this;
  if (!size_) shown.grow_to(held.end());
  auto count = cells_up_to(size_.value_or(held.end()), shown.shift_);
  for (auto i = count; i < most_cells; ++i) {
    if (shown.cells_[i] != untouched) count = i + 1;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto end = (i + 1) << shown.shift_;
    auto at = i << shown.shift_;
    for (int looked_at = 0; looked_at < extents_a_cell && at < end; ++looked_at) {
      const auto e = held.at_or_after(at);
      if (!e || e->begin >= end) break;
      shown.cells_[i] = stronger(shown.cells_[i], cell_of(e->what));
      at = e->end;
    }
  }
  return {std::uint64_t{1} << shown.shift_, {shown.cells_.data(), count}};
}

}  // namespace nbdstream::stream
