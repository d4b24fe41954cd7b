// SPDX-License-Identifier: BSD-3-Clause
#include "stream/extents.hpp"

#include <algorithm>
#include <utility>

namespace nbdstream::stream {

extent extents::view(const map::value_type& of) {
  return {of.first, of.second.end, of.second.what, of.second.block};
}

std::uint64_t extents::end() const noexcept {
  return map_.empty() ? 0 : map_.crbegin()->second.end;
}

extents::map::const_iterator extents::find(std::uint64_t offset) const {
  const auto next = map_.upper_bound(offset);
  if (next != map_.begin()) {
    const auto before = std::prev(next);
    if (before->second.end > offset) return before;
  }
  return next;
}

std::optional<extent> extents::at_or_after(std::uint64_t offset) const {
  const auto found = find(offset);
  if (found == map_.end()) return std::nullopt;
  return view(*found);
}

std::optional<extent> extents::before(std::uint64_t offset) const {
  const auto next = map_.lower_bound(offset);
  if (next == map_.begin()) return std::nullopt;
  return view(*std::prev(next));
}

std::uint64_t extents::spilled_bytes(std::uint64_t begin, std::uint64_t end) const {
  std::uint64_t sum = 0;
  for (auto it = find(begin); it != map_.end() && it->first < end; ++it) {
    if (it->second.what != content::spill) continue;
    sum += in_pages(std::max(begin, it->first), std::min(end, it->second.end));
  }
  return sum;
}

/// No extent reaches over `offset` any more.
void extents::split_at(std::uint64_t offset) {
  const auto next = map_.lower_bound(offset);
  if (next == map_.begin()) return;
  auto& before = std::prev(next)->second;
  if (before.end <= offset) return;
  const auto begin = std::prev(next)->first;
  insert(next, offset, before);
  if (before.carries_data()) ++with_data_;
  spilled_ += before.spilled_from(offset);
  spilled_ -= before.spilled_from(begin);
  before.end = offset;
  spilled_ += before.spilled_from(begin);
}

void extents::insert(map::const_iterator before, std::uint64_t begin, value v) {
  if (spare_.empty()) {
    map_.emplace_hint(before, begin, std::move(v));
    return;
  }
  auto node = std::move(spare_.back());
  spare_.pop_back();
  node.key() = begin;
  node.mapped() = std::move(v);
  map_.insert(before, std::move(node));
}

extents::map::iterator extents::remove(map::iterator it) {
  if (it->second.carries_data()) --with_data_;
  bytes_ -= it->second.end - it->first;
  spilled_ -= it->second.spilled_from(it->first);
  if (spare_.size() == most_spare) return map_.erase(it);
  it->second.block.reset();
  const auto next = std::next(it);
  spare_.push_back(map_.extract(it));
  return next;
}

void extents::erase(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  split_at(begin);
  split_at(end);
  auto it = map_.lower_bound(begin);
  while (it != map_.end() && it->first < end) it = remove(it);
}

void extents::assign(extent e) {
  if (e.begin >= e.end) return;
  erase(e.begin, e.end);
  bytes_ += e.end - e.begin;
  auto next = map_.lower_bound(e.begin);
  if (e.what != content::memory) {
    if (next != map_.end() && next->first == e.end && next->second.what == e.what) {
      e.end = next->second.end;
      bytes_ += next->second.end - next->first;
      next = remove(next);
    }
    if (next != map_.begin()) {
      const auto before = std::prev(next);
      if (before->second.end == e.begin && before->second.what == e.what) {
        spilled_ -= before->second.spilled_from(before->first);
        before->second.end = e.end;
        spilled_ += before->second.spilled_from(before->first);
        return;
      }
    }
  }
  if (e.what == content::spill) spilled_ += in_pages(e.begin, e.end);
  if (e.carries_data()) ++with_data_;
  insert(next, e.begin, value{e.end, std::move(e.block), e.what});
}

}  // namespace nbdstream::stream
