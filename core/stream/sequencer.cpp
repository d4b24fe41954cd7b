// SPDX-License-Identifier: BSD-3-Clause
#include "stream/sequencer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <vector>

namespace nbdstream::stream {
namespace {

constexpr auto nowhere = std::numeric_limits<std::uint64_t>::max();

}  // namespace

using place = placement::place;

// The way in: where each request goes.

sequencer::pending sequencer::await(std::uint64_t offset) {
  pending p;
  pending_.insert(offset);
  p.of_ = this;
  p.offset_ = offset;
  return p;
}

sequencer::range sequencer::clip(std::uint64_t offset, std::uint64_t length) const noexcept {
  // check_request() lets a request reach up to the next multiple of 512 above the size.
  const auto size = limits_.size.value_or(limits_.max_stream);
  return {std::min(offset, size), std::min(offset + length, size)};
}

/// Whether nothing that is still to come, and no data, stands between the cursor and `offset`.
bool sequencer::in_order(std::uint64_t offset) const {
  if (limits_.mode == order::spool || offset < cursor_) return false;
  if (offset == cursor_) return true;
  const auto first = held_.first();
  return first && !first->carries_data() && first->begin == cursor_ && offset <= first->end &&
         (pending_.empty() || offset <= *pending_.begin());
}

bool sequencer::at_cursor(std::uint64_t offset, bool payload) const {
  if (limits_.mode == order::strict || limits_.mode == order::any) return true;
  // Zeroes wait for data to follow them, unless one more extent of them would be too many.
  if (!payload && !holds_too_many()) return false;
  const auto [begin, end] = clip(offset, 1);
  return begin < end && in_order(begin);
}

std::optional<refusal> sequencer::check(std::uint64_t offset, std::uint64_t length) const {
  if (offset < cursor_) return behind(offset, length);
  if (!limits_.size && offset + length > limits_.max_stream) {
    return refusal{ENOSPC, fmt::format("{} bytes at {} reach beyond --max-stream {}", length,
                                       offset, limits_.max_stream)};
  }
  return std::nullopt;
}

refusal sequencer::behind(std::uint64_t offset, std::uint64_t length) const {
  const auto back = cursor_ - offset;
  std::string hint = "bytes that were sent are written again, which only --order spool allows";
  if (limits_.mode == order::strict) {
    hint = fmt::format(
        "--order strict takes every byte once, in rising order; --order spill takes them in any "
        "order, and --order window (with --window {} or more) if they come in time",
        std::max<std::uint64_t>(2 * back, 1 << 20));
  } else if (offset < given_up_to_) {
    hint = fmt::format(
        "the window was full, so the gap there was sent as zeroes; --order spill waits for it, as "
        "does a --window larger than {} or a longer --stall",
        limits_.window);
  }
  return {EINVAL, fmt::format("{} bytes at {} lie {} bytes behind the cursor at {}: {}", length,
                              offset, back, cursor_, hint)};
}

/// Data come for [begin, end). What of it was named as zeroes before is remembered.
void sequencer::name_as_data(std::uint64_t begin, std::uint64_t end) {
  for (auto at = begin; at < end;) {
    const auto e = held_.at_or_after(at);
    if (!e || e->begin >= end) break;
    const auto until = std::min(e->end, end);
    for (auto from = std::max(e->begin, at); !e->carries_data() && from < until;) {
      const auto hint = trimmed_.at_or_after(from);
      named_.add_overwritten(from, hint ? std::min(hint->begin, until) : until);
      from = hint ? hint->end : until;
    }
    at = until;
  }
  trimmed_.erase(begin, end);
}

result<placement> sequencer::write(std::uint64_t offset, std::uint64_t length) {
  if (auto refused = check(offset, length)) return *std::move(refused);
  const auto [begin, end] = clip(offset, length);
  placement p;
  p.begin = begin;
  p.payload = end - begin;
  p.excess = length - p.payload;
  if (p.payload > 0) named_.add_named();
  if (limits_.mode == order::any) {
    if (holds_too_many()) return find_no_room(std::move(p));
    name_as_data(begin, end);
    held_.assign({begin, end, content::sent});
    return p;
  }
  if (at_cursor(offset, true)) {
    name_as_data(begin, end);
    p.zeroes = begin - cursor_;
    p.zeroes_begin = cursor_;
    send_now(begin, end);
    filled_.add_data(begin, end);
    return p;
  }
  if (p.payload > 0) return hold(std::move(p));
  p.where = place::held_as_zeroes;
  return p;
}

/// [begin, end) is the caller's to send, with what stands before it: the cursor is behind it.
void sequencer::send_now(std::uint64_t begin, std::uint64_t end) {
  skip_to(begin);
  held_.erase(begin, end);
  trimmed_.erase(begin, end);
  cursor_ = end;
}

/// The window is full; or there are too many extents.
result<placement> sequencer::find_no_room(placement p) const {
  p.where = place::full;
  if (limits_.mode != order::spool && limits_.mode != order::any) return p;
  return refusal{ENOSPC, fmt::format("{} separate extents are {}, and there can be no more",
                                     held_.size() + trimmed_.size(),
                                     limits_.mode == order::any ? "written" : "held")};
}

/// Finds room for payload ahead of the cursor.
result<placement> sequencer::hold(placement p) {
  if (holds_too_many()) return find_no_room(std::move(p));
  const bool in_memory = limits_.mode != order::spool && window_.fits(p.payload);
  if (!in_memory && limits_.mode == order::window) return find_no_room(std::move(p));
  if (in_memory) {
    p.where = place::memory;
    p.block = window_.allocate(p.begin, p.payload);
    p.answer_later = limits_.mode == order::window && window_.more_than_half();
  } else {
    // What it replaces has its space already.
    const auto end = p.begin + p.payload;
    const auto others = held_.spilled_bytes() - held_.spilled_bytes(p.begin, end) + spilling_;
    const auto size = extents::in_pages(p.begin, end);
    if (size > limits_.spill || others > limits_.spill - size) {
      return refusal{ENOSPC, fmt::format("{} bytes at {} do not fit: {} bytes are in use in the "
                                         "spill file, and --spill-limit is {}",
                                         p.payload, p.begin, others, limits_.spill)};
    }
    p.where = place::spill;
    spilling_ += size;
    record_.spilled = std::max(record_.spilled, others + size);
  }
  ++record_.ahead;
  record_.distance = std::max(record_.distance, p.begin - cursor_);
  return p;
}

void sequencer::payload_arrived(const placement& p) {
  extent e{std::max(p.begin, cursor_), p.begin + p.payload, content::spill, p.block};
  name_as_data(e.begin, e.end);
  if (p.where == place::memory) {
    e.what = content::memory;
  } else {
    spilling_ -= extents::in_pages(p.begin, p.begin + p.payload);
  }
  held_.assign(std::move(e));
}

result<placement> sequencer::write_zeroes(std::uint64_t offset, std::uint64_t length) {
  auto placed = place_zeroes(offset, length);
  const auto [begin, end] = clip(offset, length);
  if (placed && placed->where != place::full && begin < end) {
    named_.add_named();
    named_.add_zeroes(begin, end);
    trimmed_.erase(begin, end);
  }
  return placed;
}

/// Zeroes, named or not.
result<placement> sequencer::place_zeroes(std::uint64_t offset, std::uint64_t length) {
  if (auto refused = check(offset, length)) return *std::move(refused);
  const auto [begin, end] = clip(offset, length);
  placement p;
  p.begin = begin;
  if (limits_.mode != order::any && at_cursor(offset, false)) {
    p.zeroes = end - cursor_;
    p.zeroes_begin = cursor_;
    send_now(begin, end);
    filled_.add_zeroes(begin, end);
    return p;
  }
  if (holds_too_many() && begin < end) return find_no_room(std::move(p));
  const auto spilled = held_.spilled_bytes();
  held_.assign({begin, end, content::zeroes});
  if (limits_.mode == order::any) {
    p.zeroes = end - begin;
    p.zeroes_begin = begin;
    return p;
  }
  p.where = place::held_as_zeroes;
  p.replaces_spill = held_.spilled_bytes() != spilled;
  return p;
}

result<placement> sequencer::trim(std::uint64_t offset, std::uint64_t length) {
  const auto from = std::max(offset, cursor_);
  if (offset + length <= from) {
    placement nothing;
    nothing.where = place::held_as_zeroes;
    return nothing;
  }
  const auto [begin, end] = clip(from, offset + length - from);
  // What nothing has named before is not named now; what was trimmed before is remembered already.
  std::vector<range> unnamed;
  const bool sent = limits_.mode != order::any && at_cursor(from, false);
  for_each_unnamed(begin, end, sent, [&](range r) { unnamed.push_back(r); });
  auto placed = place_zeroes(from, offset + length - from);
  if (!placed || placed->where == place::full) return placed;
  for (const auto& r : unnamed) {
    if (sent) {
      named_.add_hole(r.begin, r.end);
    } else {
      trimmed_.assign({r.begin, r.end, content::zeroes});
    }
  }
  return placed;
}

// The way out: what is held is sent when the cursor reaches it.

/// The cursor passes [begin, end), which holds no data.
void sequencer::count_unnamed(std::uint64_t begin, std::uint64_t end, coverage& in) const {
  for_each_unnamed(begin, end, true, [&in](range r) { in.add_hole(r.begin, r.end); });
}

/// Moves the cursor to `end`, over zeroes and gaps only.
void sequencer::skip_to(std::uint64_t end) {
  count_unnamed(cursor_, end, named_);
  filled_.add_zeroes(cursor_, end);
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

/// order::any: the first range behind the cursor that no request has named.
std::optional<sequencer::range> sequencer::next_gap() const {
  auto begin = cursor_;
  auto e = held_.at_or_after(begin);
  while (e && e->begin <= begin) {
    begin = e->end;
    e = held_.at_or_after(begin);
  }
  if (begin >= length_) return std::nullopt;
  return range{begin, e ? std::min(e->begin, length_) : length_};
}

/// What next() takes.
std::optional<sequencer::range> sequencer::next_range() const {
  if (limits_.mode == order::any) {
    return finished_ && limits_.gaps_are_zeroes ? next_gap() : std::nullopt;
  }
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
  if (e && e->begin == found->begin && e->carries_data()) {
    s.held = {found->begin, found->end, e->what, std::move(e->block)};
    filled_.add_data(found->begin, found->end);
  } else {
    s.zeroes = found->end - found->begin;
    s.zeroes_begin = found->begin;
    filled_.add_zeroes(found->begin, found->end);
    // finish() has counted all others
    if (!finished_) count_unnamed(found->begin, found->end, named_);
  }
  held_.erase(found->begin, found->end);
  trimmed_.erase(found->begin, found->end);
  cursor_ = found->end;
  return s;
}

bool sequencer::waits_for_gap() const {
  const bool fills_gaps = limits_.mode == order::window || limits_.mode == order::spill;
  if (!fills_gaps || ready()) return false;
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
std::uint64_t sequencer::find_end_of_named() const {
  auto end = held_.end();
  for (;;) {
    const auto hint = trimmed_.before(end);
    if (!hint || hint->end < end) return std::max(cursor_, end);
    const auto named = held_.before(hint->begin);
    end = named ? std::min(named->end, hint->begin) : 0;
  }
}

void sequencer::finish(bool pad) {
  end_of_named_ = find_end_of_named();
  finished_ = true;
  length_ = limits_.size && pad ? *limits_.size : end_of_named_;
  named_ = named_until_now();
}

coverage sequencer::named_until_now() const {
  auto named = named_;
  const auto end = limits_.size.value_or(find_end_of_named());
  count_unnamed(cursor_, end, named);
  named.finish(end);
  return named;
}

}  // namespace nbdstream::stream
