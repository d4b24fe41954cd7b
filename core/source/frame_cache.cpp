// SPDX-License-Identifier: BSD-3-Clause
#include "source/frame_cache.hpp"

#include <utility>

namespace nbdstream::source {

failure frame_cache::get(const key& of, const load& how, bytes& found) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto known = entries_.find(of);
    if (known == entries_.end()) break;
    if (known->second.content) {
      by_use_.splice(by_use_.begin(), by_use_, known->second.place);
      found = known->second.content;
      return {};
    }
    loaded_.wait(lock);
  }
  entries_.try_emplace(of);
  lock.unlock();
  auto content = std::make_shared<std::vector<std::byte>>();
  failure failed;
  try {
    failed = how(*content);
  } catch (...) {
    lock.lock();
    entries_.erase(of);
    loaded_.notify_all();
    throw;
  }
  lock.lock();
  if (failed) {
    entries_.erase(of);
  } else {
    auto& e = entries_.at(of);
    e.content = found = std::move(content);
    by_use_.push_front(of);
    e.place = by_use_.begin();
    bytes_ += found->size();
    make_room();
  }
  loaded_.notify_all();
  return failed;
}

/// Who reads a frame that goes keeps it as long as that takes.
void frame_cache::make_room() {
  while (by_use_.size() > 1 && (by_use_.size() > most_frames_ || bytes_ > most_bytes_)) {
    const auto last = entries_.find(by_use_.back());
    bytes_ -= last->second.content->size();
    entries_.erase(last);
    by_use_.pop_back();
  }
}

}  // namespace nbdstream::source
