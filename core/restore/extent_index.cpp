// SPDX-License-Identifier: BSD-3-Clause
#include "restore/extent_index.hpp"

#include <iterator>

namespace nbdstream::restore {
namespace {

std::optional<origin> moved(const std::optional<origin>& data, std::uint64_t by) {
  if (!data) return std::nullopt;
  return origin{data->input, data->at + by};
}

}  // namespace

void extent_index::assign(const extent& e) {
  if (e.begin >= e.end) return;
  split_at(e.begin);
  split_at(e.end);
  auto it = map_.lower_bound(e.begin);
  while (it != map_.end() && it->first < e.end) {
    named_ -= it->second.end - it->first;
    it = map_.erase(it);
  }
  named_ += e.end - e.begin;
  it = map_.emplace_hint(it, e.begin, value{e.end, e.data});
  if (it != map_.begin() && join(std::prev(it), it)) it = std::prev(map_.upper_bound(e.begin));
  if (const auto next = std::next(it); next != map_.end()) join(it, next);
}

void extent_index::clear() noexcept {
  map_.clear();
  named_ = 0;
}

std::optional<extent_index::extent> extent_index::at_or_after(std::uint64_t offset) const {
  auto it = map_.upper_bound(offset);
  if (it != map_.begin() && std::prev(it)->second.end > offset) --it;
  if (it == map_.end()) return std::nullopt;
  return extent{it->first, it->second.end, it->second.data};
}

/// No extent reaches over `offset` any more.
void extent_index::split_at(std::uint64_t offset) {
  const auto next = map_.lower_bound(offset);
  if (next == map_.begin()) return;
  const auto before = std::prev(next);
  auto& [end, data] = before->second;
  if (end <= offset) return;
  map_.emplace_hint(next, offset, value{end, moved(data, offset - before->first)});
  end = offset;
}

/// Makes one extent of two neighbours, where they touch and go on in the diffs as on the disk.
bool extent_index::join(map::iterator first, map::iterator second) {
  auto& [end, data] = first->second;
  if (end != second->first) return false;
  if (moved(data, end - first->first) != second->second.data) return false;
  end = second->second.end;
  map_.erase(second);
  return true;
}

}  // namespace nbdstream::restore
