// SPDX-License-Identifier: BSD-3-Clause
//
// How the requests of connections get into a stream.
#include "protocol/error.hpp"
#include "server/open_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nbdstream {

using protocol::command;
using protocol::wire_error;
using place = stream::placement::place;

/// So many writes are on their way to the spill file at most.
constexpr std::size_t most_unspilled_writes = 1024;

awaitable<io::fair_mutex::turn> open_stream::take_turn() {
  if (turns_.free()) co_return turns_.enter();
  co_return co_await turns_.wait_and_enter();
}

/// A stream's first request opens the sink, whatever it is.
awaitable<wire_error> open_stream::ensure_open(client& who, const protocol::request& r,
                                               bool has_turn) {
  if (opened_) co_return wire_error::none;
  io::fair_mutex::turn turn;
  if (!has_turn) turn = co_await take_turn();
  if (is_finished()) co_return wire_error::io;
  if (opened_) {
    turn.release();
    moved();
    co_return wire_error::none;
  }
  const auto failed = co_await open_sink();
  if (failed) co_return failed_in_sink(who, r, failed.code, failed.why);
  turn.release();
  moved();
  co_return wire_error::none;
}

stream::result<stream::placement> open_stream::place_request(const protocol::request& r) {
  switch (r.type) {
    case command::write: return order_.write(r.offset, r.length);
    case command::trim: return order_.trim(r.offset, r.length);
    default: return order_.write_zeroes(r.offset, r.length);
  }
}

/// A request for which there is no room, until it is admitted. Nothing behind it is sent meanwhile.
class open_stream::waiter {
 public:
  waiter(open_stream& of, std::uint64_t offset)
      : of_(of), place_(of.order_.await(std::max(offset, of.order_.cursor()))) {
    if (!of_.clients_wait()) of_.stall_.wait_begins(io::clock::now());
    ++of_.waiting_for_room_;
  }
  ~waiter() { --of_.waiting_for_room_; }
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  /// Until the cursor has moved, memory is free, or all is over; then ask again.
  awaitable<void> wait(const client& who) {
    of_.changed_.notify_all();
    if (!who.gone && !of_.is_finished()) co_await of_.room_.wait();
  }

 private:
  open_stream& of_;
  stream::sequencer::pending place_;
};

awaitable<open_stream::admitted> open_stream::admit(client& who, protocol::request r) {
  admitted a;
  std::optional<waiter> waiting;
  const bool payload = r.type == command::write;
  for (;;) {
    a.error = wire_error::io;
    // Its bytes are lost, whatever it says when it disconnects.
    if (who.gone) {
      fail(fmt::format("{} disconnected inside a request", who.name),
           stream::verdict::cause::vanished_client);
    }
    if (is_finished() || who.gone) co_return a;
    if (!a.turn && waits_for_spill(r)) {
      co_await spilled();
      continue;
    }
    // Of a trim only what lies ahead counts.
    const auto begin = r.type == command::trim ? std::max(r.offset, order_.cursor()) : r.offset;
    if (!a.turn && order_.at_cursor(begin, payload)) {
      a.turn = co_await take_turn();
      continue;  // others may have been there first
    }
    const auto placed = place_request(r);
    if (!placed && placed.error().error_number == ENOSPC && !unspilled_.empty()) {
      // What is on its way counts as if it were to replace nothing.
      a.turn.release();
      co_await spilled();
      continue;
    }
    if (!placed) {
      a.error = refuse(who, r, placed.error().error_number, placed.error().why);
      co_return a;
    }
    a.where = *placed;
    if (a.where.where != place::full) break;
    a.error = co_await ensure_open(who, r, static_cast<bool>(a.turn));
    if (a.error != wire_error::none) co_return a;
    a.turn.release();
    if (!waiting) waiting.emplace(*this, r.offset);
    co_await waiting->wait(who);
  }
  if (a.where.where != place::next) a.turn.release();
  if (payload && a.where.payload > 0) verdict_.data_came();
  if (a.where.where == place::memory || a.where.where == place::spill) {
    a.arriving = order_.await(a.where.begin);
  }
  who.arriving = std::exchange(a.where.block, nullptr);
  a.error = co_await ensure_open(who, r, static_cast<bool>(a.turn));
  if (a.error == wire_error::none) a.error = co_await prepare_place(who, r, a.where);
  co_return a;
}

/// The window is full for the first time. A client that skips zeroes never fills the gap.
void open_stream::tell_of_spilling() {
  if (settings_.limits.mode == stream::order::spool || std::exchange(spilling_was_told_, true))
    return;
  const log::field where[] = {{"offset", order_.cursor()}};
  const auto held = order_.memory().used();
  const auto cause =
      held > 0 ? fmt::format("{} bytes are held in memory", held) : "a write exceeds the window";
  log_.line(log::level::info,
            fmt::format("{}, and no client has written the bytes from {} on; further data go to a "
                        "file in {} (if the client skips zeroes on purpose, --order window sends "
                        "the zeroes)",
                        cause, order_.cursor(), settings_.spill.directory),
            where);
}

/// What must happen before the payload can go to its place.
awaitable<wire_error> open_stream::prepare_place(client& who, const protocol::request& r,
                                                 const stream::placement& where) {
  sink::failure failed;
  if (where.where == place::next) {
    if (where.zeroes > 0) {
      failed = co_await write_zeroes(where.zeroes_begin, where.zeroes);
    }
    if (!failed && where.payload > 0) {
      failed = co_await encoder_->begin_data(where.begin, where.payload);
    }
  } else if (where.where == place::spill) {
    if (!spill_.is_open()) tell_of_spilling();
    failed = co_await spill_.open();
  } else if (where.where == place::held_as_zeroes) {
    const auto end = r.offset + r.length;
    if (where.replaces_spill) co_await spilled();
    // What a write has put into the file that is not all there yet must stay, and what has come
    // meanwhile.
    const bool useless = where.replaces_spill && !order_.spilling() &&
                         order_.held().spilled_bytes(where.begin, end) == 0;
    if (useless) co_await spill_.discard(where.begin, end);
    moved();
  }
  if (failed) co_return failed_in_sink(who, r, failed.code, failed.why);
  co_return wire_error::none;
}

awaitable<wire_error> open_stream::send(client& who, const protocol::request& r,
                                        protocol::bytes payload) {
  if (is_finished()) co_return wire_error::io;
  sent_bytes_ += payload.size();
  const auto failed = co_await encoder_->write(payload);
  if (failed) co_return failed_in_sink(who, r, failed.code, failed.why);
  co_return wire_error::none;
}

bool open_stream::takes_at_once(std::span<const encoding::piece> batch, std::uint64_t offset,
                                std::uint64_t length) const {
  const auto& limits = settings_.limits;
  const auto end = limits.size.value_or(limits.max_stream);
  const bool fits = length <= end && offset <= end - length;
  if (!accepts_writers() || !opened_ || !turns_.free() || !fits) return false;
  if (limits.mode == stream::order::any) return true;
  if (batch.empty()) return offset >= order_.cursor() && order_.at_cursor(offset, true);
  return offset == batch.back().offset + batch.back().data.size();
}

awaitable<wire_error> open_stream::write_batch(client& who,
                                               std::span<const encoding::piece> batch) {
  auto turn = turns_.enter();
  protocol::request r{.type = command::write, .offset = batch.front().offset};
  std::uint64_t zeroes = 0;
  verdict_.data_came();
  for (const auto& piece : batch) {
    const auto placed = order_.write(piece.offset, piece.data.size());
    if (!placed) co_return refuse(who, r, placed.error().error_number, placed.error().why);
    zeroes += placed->zeroes;  // of the first one only
    r.length += piece.data.size();
  }
  sent_bytes_ += r.length;
  sink::failure failed;
  if (zeroes > 0) failed = co_await write_zeroes(r.offset - zeroes, zeroes);
  if (!failed) failed = co_await encoder_->write_pieces(batch);
  if (failed) co_return failed_in_sink(who, r, failed.code, failed.why);
  if (is_finished()) co_return wire_error::io;
  turn.release();
  moved();
  co_return wire_error::none;
}

awaitable<io::splice_result> open_stream::splice(client& who, const protocol::request& r,
                                                 int socket, std::uint64_t count,
                                                 wire_error& error) {
  io::splice_result did;
  error = wire_error::io;
  if (is_finished()) co_return did;
  did = co_await encoder_->splice(socket, count);
  // No sink that takes a splice is a connection: it is the client's that was reset, which is its
  // end.
  if (did.error == boost::system::errc::connection_reset) did.error = {};
  sent_bytes_ += did.moved;
  spliced_bytes_ += did.moved;
  error = did.error ? failed_in_sink(who, r, did.error, did.why) : wire_error::none;
  co_return did;
}

std::uint64_t open_stream::spill(std::uint64_t offset, std::size_t count) {
  unspilled_.add(count, offset);
  if (!std::exchange(is_spilling_, true)) spilling_.spawn(write_spill());
  return unspilled_.added();
}

/// Of the same bytes the last write counts, so the first must be in the file. And many small writes
/// would need much more memory than their bytes.
bool open_stream::waits_for_spill(const protocol::request& r) const {
  const auto overlaps = [&](const unspilled_write& w) {
    const auto& p = w.placed.where;
    return p.begin < r.offset + r.length && r.offset < p.begin + p.payload;
  };
  return unspilled_writes_.size() >= most_unspilled_writes ||
         std::ranges::any_of(unspilled_writes_, overlaps);
}

awaitable<void> open_stream::spilled() {
  return unspilled_.wait_until_written();
}

/// Writes to the spill file what was received, and answers the requests of which that was the last.
awaitable<void> open_stream::write_spill() {
  while (!is_finished()) {
    is_spilling_ = !unspilled_.empty();
    if (!is_spilling_) co_return;
    const auto error = co_await unspilled_.write();
    if (is_finished()) co_return;
    if (error) co_return spilling_failed(error);
    while (!unspilled_writes_.empty() &&
           unspilled_writes_.front().placed.spilled_at <= unspilled_.written()) {
      auto& done = unspilled_writes_.front();
      const auto answer = arrived(*done.who, done.request, std::move(done.placed));
      if (answer) done.who->replies.add(done.request.reply_to(), *answer);
      unspilled_writes_.pop_front();
    }
  }
}

void open_stream::spilling_failed(error_code error) {
  spill_error_ = protocol::to_wire_error(error.value());
  const auto why = fmt::format("cannot be kept in the spill file in {}: {}",
                               settings_.spill.directory, error.message());
  if (unspilled_writes_.empty()) return fail("payload " + why);  // of one that is still coming
  const auto& first = unspilled_writes_.front();
  const auto& r = first.request;
  (void)refuse(*first.who, r, error.value(),
               fmt::format("{} bytes at {} {}", r.length, r.offset, why));
}

std::optional<wire_error> open_stream::payload_arrived(client& who, const protocol::request& r,
                                                       admitted a) {
  a.where.block = std::exchange(who.arriving, nullptr);
  const bool unspilled = a.where.where == place::spill && a.spilled_at > unspilled_.written();
  if (is_finished() || !unspilled) return arrived(who, r, std::move(a));
  unspilled_writes_.push_back({&who, r, std::move(a)});
  return std::nullopt;
}

/// All of its payload is where it was due.
std::optional<wire_error> open_stream::arrived(client& who, const protocol::request& r,
                                               admitted a) {
  if (is_finished()) return wire_error::io;
  const auto& where = a.where;
  const bool held = where.where == place::memory || where.where == place::spill;
  if (held) order_.payload_arrived(where);
  a.arriving.end();
  a.turn.release();
  // FUA does not wait for a gap.
  const bool later = where.answer_later && !(r.flags & protocol::command_flag::fua);
  if (held && waiting_for_room_ == 0) stall_.held_is(order_.memory().used(), io::clock::now());
  if (later) late_.add(where.begin + where.payload, who, r.reply_to());
  moved();
  if (later) return std::nullopt;
  return wire_error::none;
}

awaitable<wire_error> open_stream::flush(client& who) {
  if (is_finished()) co_return wire_error::io;
  if (!opened_ || !sink_.flushes()) co_return wire_error::none;
  auto turn = co_await take_turn();
  if (is_finished()) co_return wire_error::io;
  const auto failed = co_await encoder_->flush();
  const protocol::request r{.type = command::flush};
  if (failed) co_return failed_in_sink(who, r, failed.code, failed.why);
  turn.release();
  moved();
  co_return wire_error::none;
}

}  // namespace nbdstream
