// SPDX-License-Identifier: BSD-3-Clause
#include "server/spill_queue.hpp"

#include <algorithm>

namespace nbdstream {
namespace {

/// Neighbours on the disk are written with one call; of what overlaps the last one counts.
void sort_unless_they_overlap(std::vector<io::spill::piece>& pieces) {
  const auto begins_inside = [](const auto& before, const auto& after) {
    return after.offset < before.offset + before.data.size();
  };
  auto sorted = pieces;
  std::ranges::sort(sorted, {}, &io::spill::piece::offset);
  if (std::ranges::adjacent_find(sorted, begins_inside) == sorted.end()) pieces.swap(sorted);
}

}  // namespace

/// What is free in one piece behind what was added last.
std::span<std::byte> spill_queue::free() const noexcept {
  const auto at = added_ % capacity;
  return {memory_->ring.get() + at, std::min(capacity - at, capacity - (added_ - written_))};
}

awaitable<std::span<std::byte>> spill_queue::room() {
  if (!memory_ && !abandoned_) memory_ = std::make_shared<memory>();
  while (!abandoned_ && added_ - written_ == capacity) co_await changed_.wait();
  if (abandoned_) co_return std::span<std::byte>();
  co_return free();
}

void spill_queue::add(std::size_t count, std::uint64_t offset) {
  const auto data = free().first(count);
  const bool goes_on = !waiting_.empty() &&
                       waiting_.back().offset + waiting_.back().data.size() == offset &&
                       waiting_.back().data.data() + waiting_.back().data.size() == data.data();
  if (goes_on) {
    auto& last = waiting_.back().data;
    last = {last.data(), last.size() + count};
  } else {
    waiting_.push_back({offset, data});
  }
  added_ += count;
}

awaitable<error_code> spill_queue::write() {
  const auto used = memory_;
  auto& pieces = used->writing;
  const auto end =
      waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), pieces_at_once));
  pieces.assign(waiting_.begin(), end);
  waiting_.erase(waiting_.begin(), end);
  auto until = written_;
  for (const auto& p : pieces) until += p.data.size();
  sort_unless_they_overlap(pieces);
  const std::span<const io::spill::piece> all(pieces);
  const auto error = co_await to_.write(all, used);
  if (!error) written_ = until;
  changed_.notify_all();
  co_return error;
}

awaitable<void> spill_queue::wait_until_written() {
  const auto until = added_;
  while (!abandoned_ && written_ < until) co_await changed_.wait();
}

void spill_queue::abandon() {
  abandoned_ = true;
  memory_.reset();
  waiting_.clear();
  changed_.notify_all();
}

}  // namespace nbdstream
