// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/status_layout.hpp"

#include "protocol/sector.hpp"

#include <algorithm>
#include <utility>

namespace nbdstream::protocol {
void status_layout::tell(std::uint64_t until, std::uint32_t flags) {
  if (until <= told_ || full_) return;
  if (!extents_.empty() && extents_.back().flags == flags) {
    extents_.back().length += until - told_;
  } else if (extents_.size() == most_) {
    full_ = true;
    return;
  } else {
    extents_.push_back({until - told_, flags});
  }
  told_ = until;
}

void status_layout::add(std::uint64_t until, std::uint32_t flags) {
  if (known_ > told_) {  // the rest of a sector, or more of it
    begun_ &= flags;
    const auto sector_end = std::min((known_ / sector + 1) * sector, end_);
    known_ = std::min(until, sector_end);
    if (known_ == sector_end) tell(known_, begun_);
  }
  if (known_ == until) return;
  tell(until == end_ ? until : until / sector * sector, flags);
  known_ = until;
  begun_ = flags;
}

std::vector<status_extent> status_layout::take() {
  if (extents_.empty()) tell(known_, 0);
  return std::exchange(extents_, {});
}

}  // namespace nbdstream::protocol
