// SPDX-License-Identifier: BSD-3-Clause
//
// The way out of the sequencer: what is held is sent when the cursor reaches it.
#include "stream/sequencer.hpp"

#include <algorithm>
#include <limits>

namespace nbdstream::stream {
namespace {

constexpr auto nowhere = std::numeric_limits<std::uint64_t>::max();

}  // namespace

/// The cursor passes [begin, end), which holds no data.
void sequencer::count_unnamed(std::uint64_t begin, std::uint64_t end) {
  for_each_unnamed(begin, end, [this](range r) { named_.add_hole(r.begin, r.end); });
}

/// Moves the cursor to `end`, over zeroes and gaps only.
void sequencer::skip_to(std::uint64_t end) {
  count_unnamed(cursor_, end);
  cursor_ = std::max(cursor_, end);
  held_.erase(0, end);
  trimmed_.erase(0, end);
}

/// Where the first bytes stand that are held and are no zeroes; `limit` where that is before them.
std::uint64_t sequencer::first_data(std::uint64_t limit) const {
  auto e = held_.first();
  while (e && !e->carries_data() && e->begin < limit) e = held_.at_or_after(e->end);
  return e ? std::min(e->begin, limit) : limit;
}

/// What next() takes.
std::optional<sequencer::range> sequencer::next_range() const {
  const auto barrier = pending_.empty() ? nowhere : *pending_.begin();
  if (barrier <= cursor_) return std::nullopt;
  auto e = held_.first();
  if (finished_) {
    if (!e || e->begin > cursor_ || !e->carries_data()) {
      const auto end = first_data(length_);
      if (end > cursor_) return range{cursor_, end};
      return std::nullopt;
    }
  } else {
    if (limits_.mode == order::spool || !e || e->begin > cursor_) return std::nullopt;
    if (!e->carries_data()) {
      // Zeroes are sent only when data follow: until then they may be written over.
      const auto following = held_.at_or_after(e->end);
      if (!following || following->begin > e->end) return std::nullopt;
    }
  }
  auto end = std::min(e->end, barrier);
  if (e->what == content::spill) end = std::min(end, e->begin + max_spill_step);
  return range{cursor_, end};
}

bool sequencer::memory_at_cursor() const {
  const auto e = held_.first();
  return ready() && e && e->begin == cursor_ && e->what == content::memory;
}

std::optional<step> sequencer::next() {
  const auto found = next_range();
  if (!found) return std::nullopt;
  step s;
  auto e = held_.first();
  if (e && e->begin == cursor_ && e->carries_data()) {
    s.held = {found->begin, found->end, e->what, std::move(e->block)};
  } else {
    s.zeroes = found->end - found->begin;
    if (!finished_) count_unnamed(found->begin, found->end);  // finish() has counted all others
  }
  held_.erase(found->begin, found->end);
  trimmed_.erase(found->begin, found->end);
  cursor_ = found->end;
  return s;
}

bool sequencer::waits_for_gap() const {
  if (limits_.mode == order::strict || limits_.mode == order::spool || ready()) return false;
  if (pending_.empty()) return held_.carry_data();
  // Zeroes that reach it are no gap.
  const auto zeroes = held_.first();
  const bool named = zeroes && zeroes->begin == cursor_;
  return *pending_.begin() > (named ? zeroes->end : cursor_);
}

std::uint64_t sequencer::close_gap() {
  if (!waits_for_gap()) return 0;
  const auto awaited = pending_.empty() ? nowhere : *pending_.begin();
  const auto begin = cursor_;
  skip_to(first_data(awaited));
  given_up_to_ = cursor_;
  return cursor_ - begin;
}

/// Behind the highest byte that a request has named.
std::uint64_t sequencer::end_of_named() const {
  auto end = held_.end();
  for (;;) {
    const auto hint = trimmed_.before(end);
    if (!hint || hint->end < end) return std::max(cursor_, end);
    const auto named = held_.before(hint->begin);
    end = named ? std::min(named->end, hint->begin) : 0;
  }
}

void sequencer::finish(bool pad) {
  const auto named = end_of_named();
  finished_ = true;
  length_ = limits_.size && pad ? *limits_.size : named;
  count_unnamed(cursor_, limits_.size.value_or(named));
}

}  // namespace nbdstream::stream
