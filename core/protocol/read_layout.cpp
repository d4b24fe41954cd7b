// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/read_layout.hpp"

#include "protocol/sector.hpp"

namespace nbdstream::protocol {
/// What of some zeroes is sent as a hole; empty where that is too little.
read_layout::chunk read_layout::rounded_hole(chunk zero) const noexcept {
  if (zero.begin != begin_) zero.begin = (zero.begin + sector - 1) / sector * sector;
  if (zero.end != end_) zero.end = zero.end / sector * sector;
  const bool all = zero.begin == begin_ && zero.end == end_;
  if (!all && zero.end < zero.begin + least_hole) zero.end = zero.begin;
  return zero;
}

void read_layout::zeroes(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  if (!zeroes_.empty()) {
    auto& last = zeroes_.back();
    if (last.end == begin) {
      last.end = end;
      return;
    }
    const auto hole = rounded_hole(last);
    if (hole.begin == hole.end) zeroes_.pop_back();
  }
  zeroes_.push_back({begin, end, true});
}

std::vector<read_layout::chunk> read_layout::chunks(bool whole) const {
  std::vector<chunk> all;
  auto at = begin_;
  for (const auto& z : zeroes_) {
    const auto hole = rounded_hole(z);
    if (hole.begin == hole.end || (whole && hole != chunk{begin_, end_, true})) continue;
    if (hole.begin > at) all.push_back({at, hole.begin, false});
    all.push_back(hole);
    at = hole.end;
  }
  if (at < end_) all.push_back({at, end_, false});
  return all;
}

}  // namespace nbdstream::protocol
