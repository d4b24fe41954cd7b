// SPDX-License-Identifier: BSD-3-Clause
#include "stream/status.hpp"

#include <algorithm>

namespace nbdstream::stream {

std::vector<status_range> describe(const extents& held, std::uint64_t cursor, std::uint64_t begin,
                                   std::uint64_t end, std::size_t most, state gaps) {
  std::vector<status_range> found;
  auto at = begin;
  const auto add = [&](std::uint64_t until, state what) {
    until = std::min(until, end);
    if (until <= at) return;
    at = until;
    if (!found.empty() && found.back().what == what) {
      found.back().end = at;
    } else {
      found.push_back({at, what});
    }
  };
  add(cursor, state::data);
  for (std::size_t looked_at = 0; at < end && looked_at < most; ++looked_at) {
    const auto e = held.at_or_after(at);
    add(e ? e->begin : end, gaps);
    if (e) add(e->end, e->carries_data() ? state::data : state::zeroes);
  }
  return found;
}

}  // namespace nbdstream::stream
