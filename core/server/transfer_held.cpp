// SPDX-License-Identifier: BSD-3-Clause
//
// How what is held gets out of a stream: sent when it is next in order, read, given up.
#include "server/transfer.hpp"

#include "io/parts.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

namespace nbdstream {

using protocol::wire_error;
using stream::content;
using time_point = io::clock::time_point;

namespace {

/// The spill file's space is given back in pieces of this size or more.
constexpr std::uint64_t give_back_batch = 4 << 20;  // bytes

/// Held memory is sent, and free again, in pieces of about this size.
constexpr std::size_t memory_at_once = 1 << 20;  // bytes
constexpr std::size_t parts_at_once = 256;

/// So many extents are looked at before others have their turn.
constexpr int extents_at_once = 1000;

/// The memory of so many answers that were put off is kept for those to come.
constexpr std::size_t most_spare = 1024;

/// Where the spill has no file of its own: copied in pieces of this size.
constexpr std::size_t copy_piece = 256 << 10;  // bytes

}  // namespace

/// Whether a client waits for something to be sent.
bool transfer::under_pressure() const noexcept {
  return waiting_for_room_ > 0 || !put_off_.empty();
}

/// When there is something to do for who has the turn.
time_point transfer::due() const {
  if (phase_ != phase::running || state() == lifecycle::state::failed) return time_point::max();
  if (sequencer_.ready()) return time_point::min();
  if (!under_pressure() || !sequencer_.waits_for_gap()) return time_point::max();
  // While there is room, what is arriving may have the missing bytes behind it.
  if (waiting_for_room_ == 0 && sequencer_.awaited() > 0) return time_point::max();
  return gaps_are_zeroes_ ? time_point::min() : quiet_since_ + settings_.stall;
}

time_point transfer::tend_at() const {
  return turns_.free() ? due() : time_point::max();
}

awaitable<void> transfer::tend() {
  const auto turn = turns_.enter();
  sink_.before_wait = nullptr;
  while (due() <= io::clock::now()) {
    sink::failure failed;
    if (sequencer_.ready()) {
      failed = co_await send_next();
    } else {
      failed = co_await give_up_gap();
    }
    if (failed) fail(failed.why);
  }
}

/// The cursor may have moved, or memory may be free.
void transfer::moved() {
  if (std::exchange(moved_to_, sequencer_.cursor()) != sequencer_.cursor()) {
    quiet_since_ = io::clock::now();
    grown_to_ = 0;
  }
  answer_put_off();
  if (waiting_for_room_ > 0) room_.notify_all();
  if (tend_at() != time_point::max()) changed_();
}

void transfer::answer_put_off() {
  while (!put_off_.empty()) {
    const auto first = put_off_.front();
    const bool passed = first.end <= sequencer_.cursor();
    if (!passed && sequencer_.memory().more_than_half()) return;
    std::ranges::pop_heap(put_off_, std::greater{}, &put_off::end);
    put_off_.pop_back();
    first.who->answer(first.of, wire_error::none);
  }
  if (put_off_.capacity() > most_spare) put_off_.shrink_to_fit();
}

/// Sends one step. State: the caller has the turn, and there is one.
awaitable<sink::failure> transfer::send_next() {
  sink::failure failed;
  if (sequencer_.memory_is_next()) {
    failed = co_await send_memory();
  } else {
    const auto step = sequencer_.next();
    if (step->zeroes > 0) {
      failed = co_await sink_.write_zeroes(step->zeroes);
    } else {
      payload_bytes_ += step->held.end - step->held.begin;
      spilled_bytes_ += step->held.end - step->held.begin;
      failed = co_await send_spilled(step->held);
    }
  }
  moved();
  co_return failed;
}

/// Sends what is next as long as it is in memory, many pieces with one call.
awaitable<sink::failure> transfer::send_memory() {
  std::size_t bytes = 0;
  while (sequencer_.memory_is_next() && bytes < memory_at_once && blocks_.size() < parts_at_once) {
    auto step = sequencer_.next();
    const auto& e = step->held;
    const auto piece = e.block->bytes(e.begin, e.end);
    parts_.push_back(io::part_of(piece));
    bytes += piece.size();
    blocks_.push_back(std::move(step->held.block));
  }
  payload_bytes_ += bytes;
  const std::span<iovec> parts(parts_);
  auto failed = co_await sink_.write_parts(parts);
  parts_.clear();
  blocks_.clear();
  co_return failed;
}

awaitable<sink::failure> transfer::send_spilled(const stream::extent& e) {
  const auto spill = spill_;
  sink::failure failed;
  if (spill->descriptor() >= 0) {
    failed = co_await sink_.write_file(spill->descriptor(), e.begin, e.end - e.begin);
  } else {
    std::vector<std::byte> buffer(copy_piece);
    for (auto at = e.begin; at < e.end && !failed; at += buffer.size()) {
      buffer.resize(std::min<std::uint64_t>(copy_piece, e.end - at));
      const auto error = co_await spill->read(at, buffer);
      if (error) co_return sink::failure{error, "reading the spill file: " + error.message()};
      failed = co_await sink_.write(buffer);
    }
  }
  if (!failed) co_await give_back_sent();
  co_return failed;
}

/// Gives back what the reader of the stream has taken: until then its pipe may hold references to
/// the file's own pages.
awaitable<void> transfer::give_back_sent() {
  const auto taken = sequencer_.cursor() - std::min(sequencer_.cursor(), sink_.in_transit());
  if (taken < given_back_to_ + give_back_batch) co_return;
  const auto begin = std::exchange(given_back_to_, taken);
  const auto spill = spill_;
  co_await spill->give_back(begin, taken);
}

sink::failure transfer::open_spill() {
  auto opened = settings_.open_spill();
  if (opened.has_error()) {
    return {opened.error(),
            fmt::format("the spill file cannot be made in {}: {}; see --spill-directory",
                        settings_.spill_directory, opened.error().message())};
  }
  spill_ = std::move(*opened);
  return {};
}

/// A full window has waited for --stall.
awaitable<sink::failure> transfer::give_up_gap() {
  const auto what = fmt::format(
      "{}, and nothing has come for the bytes from {} on within {}",
      settings_.limits.mode == stream::order::window
          ? fmt::format("{} bytes are held of a window of {}, a client waits",
                        sequencer_.memory().used(), settings_.limits.window)
          : fmt::format("{} separate extents are held, a client waits", sequencer_.held().size()),
      sequencer_.cursor(), std::chrono::duration_cast<std::chrono::milliseconds>(settings_.stall));
  if (settings_.refuse_gaps) {
    const bool window = settings_.limits.mode == stream::order::window;
    co_return sink::failure{from_errno(ENODATA),
                            what + (window ? "; --order spill keeps what a window cannot hold"
                                           : "; it takes fewer and larger pieces")};
  }
  const auto count = sequencer_.close_gap();
  if (!std::exchange(gaps_are_zeroes_, true)) {
    log_.info("{}: {}: sent as {} zeroes, and later gaps will not wait", settings_.label, what,
              count);
  }
  const auto failed = co_await sink_.write_zeroes(count);
  moved();
  co_return failed;
}

transfer::readable transfer::look(std::uint64_t offset, std::uint64_t length) const {
  if (over() || offset < sequencer_.cursor()) return readable::sent;
  const auto& held = sequencer_.held();
  int looked_at = 0;
  for (auto e = held.at_or_after(offset); e && e->begin < offset + length;
       e = held.at_or_after(e->end)) {
    if (e->carries_data() || ++looked_at > extents_at_once) return readable::data;
  }
  return readable::zeroes;
}

std::vector<stream::stretch> transfer::status(std::uint64_t offset, std::uint64_t length) const {
  const auto end = offset + length;
  const auto sent = over() ? end : sequencer_.cursor();
  return stream::describe(sequencer_.held(), sent, offset, end, extents_at_once);
}

awaitable<wire_error> transfer::read(std::uint64_t offset, std::span<std::byte> into,
                                     protocol::read_layout& layout) {
  const auto end = offset + into.size();
  const auto spill = spill_;
  int looked_at = 0;
  for (auto at = offset; at < end;) {
    if (++looked_at % extents_at_once == 0) co_await asio::post(asio::use_awaitable);
    if (over() || at < sequencer_.cursor()) co_return wire_error::io;
    const auto e = sequencer_.held().at_or_after(at);
    const bool held = e && e->begin <= at && e->carries_data();
    const auto until = std::min(end, !e ? end : e->begin > at ? e->begin : e->end);
    const auto piece = into.subspan(at - offset, until - at);
    if (!held) {
      std::ranges::fill(piece, std::byte{0});
      layout.zeroes(at, until);
    } else if (e->what == content::memory) {
      std::memcpy(piece.data(), e->block->bytes(at, until).data(), piece.size());
    } else {
      const auto error = co_await spill->read(at, piece);
      if (error) co_return wire_error::io;
    }
    at = until;
  }
  // What was sent meanwhile may have been given back before it was read.
  co_return offset < sequencer_.cursor() ? wire_error::io : wire_error::none;
}

}  // namespace nbdstream
