// SPDX-License-Identifier: BSD-3-Clause
#include "small_host.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>

namespace nbdstream::test {

using stream::content;
using where = stream::placement::place;

namespace {

stream::sequencer::limits limits_of(const script& s) {
  stream::sequencer::limits l;
  l.size = s.size;
  l.max_stream = script::max_stream;
  l.mode = s.mode;
  l.window = s.window;
  l.spill = s.spill.value_or(l.spill);
  return l;
}

}  // namespace

small_host::small_host(const script& s)
    : script_(s), sequencer_(limits_of(s)), spill_(script::max_stream + 512, '?') {}

stream::result<stream::placement> small_host::place(const op& o) {
  if (o.what == op::kind::write) return sequencer_.write(o.offset, o.length);
  if (o.what == op::kind::trim) return sequencer_.trim(o.offset, o.length);
  return sequencer_.write_zeroes(o.offset, o.length);
}

int small_host::ask(const op& o, std::size_t index) {
  auto placed = place(o);
  if (!placed) {
    failed_ = true;
    return placed.error().error_number;
  }
  if (placed->where == where::full) {
    const auto at = std::max<std::uint64_t>(o.offset, sequencer_.cursor());
    waiting_.push_back({o, index, sequencer_.await(at)});
    return 0;
  }
  put(*placed, o, index);
  return 0;
}

void small_host::put(const stream::placement& p, const op& o, std::size_t index) {
  if (p.where == where::next) {
    sent_.append(p.zeroes, '\0');
    for (auto at = p.begin; at < p.begin + p.payload; ++at) sent_ += payload_byte(index, at);
  } else if (p.where != where::held_as_zeroes) {
    late l{o, index, p, sequencer_.await(p.begin), o.delay};
    if (l.left == 0) return arrive(l);
    late_.push_back(std::move(l));
  }
}

void small_host::arrive(const late& l) {
  const auto& p = l.place;
  for (std::uint64_t i = 0; i < p.payload; ++i) {
    const auto byte = payload_byte(l.index, p.begin + i);
    if (p.where == where::memory)
      p.block->piece(p.block->offset(), p.block->end())[i] = static_cast<std::byte>(byte);
    if (p.where == where::spill) spill_[p.begin + i] = byte;
  }
  sequencer_.payload_arrived(p);
  if (p.answer_later) late_replies_.push_back(l.what);
}

void small_host::time_passes() {
  for (auto l = late_.begin(); l != late_.end();) {
    if (--l->left > 0) {
      ++l;
    } else {
      arrive(*l);
      l = late_.erase(l);
    }
  }
}

void small_host::send_ready() {
  do {
    while (const auto step = sequencer_.next()) {
      const auto& e = step->held;
      sent_.append(step->zeroes, '\0');
      if (e.what == content::spill) sent_ += spill_.substr(e.begin, e.end - e.begin);
      if (e.what != content::memory) continue;
      for (const auto b : e.block->piece(e.begin, e.end)) sent_ += static_cast<char>(b);
    }
    std::erase_if(late_replies_, [this](const op& o) {
      return o.end() <= sequencer_.cursor() || !sequencer_.memory().more_than_half();
    });
  } while (ask_again() || skip_gap());
}

/// Places a request that waits for room. Returns whether there was one with enough room.
bool small_host::ask_again() {
  for (auto w = waiting_.begin(); w != waiting_.end(); ++w) {
    const auto placed = place(w->what);
    if (placed && placed->where == where::full) continue;
    failed_ = failed_ || !placed;
    if (placed) put(*placed, w->what, w->index);
    waiting_.erase(w);
    return true;
  }
  return false;
}

bool small_host::skip_gap() {
  const bool pressed = !waiting_.empty() || !late_replies_.empty();
  if (failed_ || script_.patient || !pressed || !sequencer_.waits_for_gap()) return false;
  if (script_.refuse_gaps) {
    failed_ = true;
    return false;
  }
  sent_.append(sequencer_.close_gap(), '\0');
  return true;
}

void small_host::finish() {
  while (!late_.empty()) time_passes();
  send_ready();
  sequencer_.finish(script_.pad);
  late_replies_.clear();
  send_ready();
}

std::string small_host::read(std::uint64_t offset, std::uint64_t length) const {
  std::string data(length, '\0');
  const auto& held = sequencer_.held();
  for (auto e = held.at_or_after(offset); e && e->begin < offset + length;
       e = held.at_or_after(e->end)) {
    for (auto at = std::max(e->begin, offset); at < std::min(e->end, offset + length); ++at) {
      char byte = '\0';
      if (e->what == content::spill) byte = spill_[at];
      if (e->what == content::memory) byte = static_cast<char>(e->block->piece(at, at + 1)[0]);
      data[at - offset] = byte;
    }
  }
  return data;
}

std::uint64_t small_host::barrier() const {
  auto first = std::numeric_limits<std::uint64_t>::max();
  for (const auto& l : late_) first = std::min(first, l.place.begin);
  for (const auto& w : waiting_) first = std::min<std::uint64_t>(first, w.what.offset);
  return first;
}

bool small_host::overlaps_unanswered(const op& o) const {
  const auto meets = [&o](const auto& other) {
    return o.offset < other.what.end() && other.what.offset < o.end();
  };
  return std::ranges::any_of(late_, meets) || std::ranges::any_of(waiting_, meets);
}

std::string small_host::check() const {
  const auto& held = sequencer_.held();
  if (sequencer_.cursor() != sent_.size()) return "the cursor is not where the stream is";
  std::uint64_t spilled = 0;
  std::uint64_t end = sequencer_.cursor();
  std::size_t count = 0;
  bool data = false;
  for (auto e = held.first(); e; e = held.at_or_after(e->end), ++count) {
    if (e->begin < end || e->begin >= e->end) return "extents overlap, or are empty";
    if (e->what == content::spill) spilled += stream::extents::in_pages(e->begin, e->end);
    data = data || e->carries_data();
    end = e->end;
  }
  if (held.spilled_bytes() != spilled) return "spilled bytes are counted wrong";
  if (held.carry_data() != data) return "extents with data are counted wrong";
  if (held.size() != count) return "extents are counted wrong";
  if (held.end() != (count > 0 ? end : 0)) return "the end of what is held is wrong";
  return {};
}

}  // namespace nbdstream::test
