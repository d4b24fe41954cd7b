// SPDX-License-Identifier: BSD-3-Clause
//
// What a stream is doing, for whoever looks at it.
#include "server/open_stream.hpp"

#include <algorithm>

namespace nbdstream {

using state_of = stream::verdict::state;

status::counters open_stream::count() const noexcept {
  const bool live = opened_ && !ended();
  return {.sent = length(),
          .compressed = live ? sink_.compressed() : compressed_bytes_,
          .payload = sent_bytes_ + held_.sent_bytes(),
          .zeroes = zero_bytes_ + held_.zero_bytes(),
          .spliced = spliced_bytes_,
          .spilled = held_.spilled_bytes()};
}

bool open_stream::waits_to_be_told() const noexcept {
  return settings_.complete_when.told && !commit_is_expected_ && state() == state_of::open &&
         writers_.empty();
}

status::state open_stream::status() const {
  using status::state;
  switch (verdict_.current()) {
    case state_of::settling: return state::waiting_for_connections;
    case state_of::written:
    case state_of::complete:
    case state_of::committed: return state::committing;
    case state_of::failed:
    case state_of::aborted: return state::aborting;
    case state_of::open: break;
  }
  if (!is_open_) return state::waiting_for_reader;
  if (waits_to_be_told()) return state::waiting_for_decision;
  if (settings_.limits.mode == stream::order::spool) return state::spooling;
  return order_.waits_for_gap() ? state::waiting_for_gap : state::streaming;
}

status::open_stream open_stream::snapshot() const {
  status::open_stream s;
  s.id = settings_.id;
  s.unique_id = settings_.unique_id;
  s.count = count();
  s.done = order_.done();
  s.total = settings_.complete_when.expected_bytes ? settings_.complete_when.expected_bytes
                                                   : settings_.limits.size;
  s.held_memory = order_.memory().used();
  s.held_memory_peak = order_.memory().peak();
  s.held_spill = order_.held().spilled_bytes();
  s.held_spill_peak = order_.history().spilled;
  // What a sink says must not look as if there were more of the stream than there is.
  if (const auto said = sink_.acknowledged(); opened_ && said) {
    s.acknowledged = std::min(*said, length());
  }
  s.writers = writers_.size();
  s.began = began_at_;
  s.age = io::clock::now() - began_;
  auto picture = order_.paint();
  s.map = {picture.cell_bytes, std::move(picture.cells)};
  return s;
}

status::outcome open_stream::outcome() const {
  return {.id = settings_.id,
          .unique_id = settings_.unique_id,
          .committed = state() == state_of::committed,
          .reason = sink_committed_ ? receipt_problem_ : verdict_.reason(),
          .count = count(),
          .began = began_at_,
          .ended = status::wall_clock::now(),
          .took = io::clock::now() - began_,
          .digest = print_ ? print_->algorithm + ':' + print_->value : std::string()};
}

}  // namespace nbdstream
