// SPDX-License-Identifier: BSD-3-Clause
//
// How the requests of connections get into a stream.
#include "protocol/error.hpp"
#include "server/transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace nbdstream {

using protocol::command;
using protocol::wire_error;
using place = stream::placement::place;

awaitable<io::turnstile::turn> transfer::take_turn(client& who) {
  if (turns_.free()) co_return turns_.enter();
  who.before_wait();
  co_return co_await turns_.wait_and_enter();
}

/// The sink's next operation is for `who`, whose replies are sent before it waits.
void transfer::use_sink_for(client& who) {
  sink_.before_wait = [&who] { who.before_wait(); };
}

/// A stream's first request opens the sink, whatever it is.
awaitable<wire_error> transfer::ensure_open(client& who, const protocol::request& r,
                                            bool has_turn) {
  if (opened_) co_return wire_error::none;
  io::turnstile::turn turn;
  if (!has_turn) turn = co_await take_turn(who);
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  if (opened_) co_return wire_error::none;
  use_sink_for(who);
  const auto failed = co_await open_sink();
  if (failed) co_return failed_in_sink(who, r, failed);
  turn.release();
  moved();
  co_return wire_error::none;
}

stream::result<stream::placement> transfer::place_request(const protocol::request& r) {
  switch (r.type) {
    case command::write: return sequencer_.write(r.offset, r.length);
    case command::trim: return sequencer_.trim(r.offset, r.length);
    default: return sequencer_.write_zeroes(r.offset, r.length);
  }
}

/// A request for which there is no room, until it is admitted. Nothing behind it is sent meanwhile.
class transfer::waiter {
 public:
  waiter(transfer& of, std::uint64_t offset)
      : of_(of), place_(of.sequencer_.await(std::max(offset, of.position()))) {
    if (!of_.under_pressure()) of_.quiet_since_ = io::clock::now();
    ++of_.waiting_for_room_;
  }
  ~waiter() { --of_.waiting_for_room_; }
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  /// Until the cursor has moved, memory is free, or all is over; then ask again.
  awaitable<void> wait(client& who) {
    of_.changed_();
    who.before_wait();
    if (!who.gone && of_.state() != lifecycle::state::failed) co_await of_.room_.wait();
  }

 private:
  transfer& of_;
  stream::sequencer::pending place_;
};

awaitable<transfer::admitted> transfer::admit(client& who, protocol::request r) {
  admitted a;
  std::optional<waiter> waiting;
  const bool payload = r.type == command::write;
  for (;;) {
    a.error = wire_error::io;
    // Its bytes are lost, whatever it says goodbye with.
    if (who.gone) fail(fmt::format("{} went away inside a request", who.name()));
    if (state() == lifecycle::state::failed || who.gone) co_return a;
    // Of a trim only what lies ahead counts.
    const auto begin = r.type == command::trim ? std::max(r.offset, position()) : r.offset;
    if (!a.turn && sequencer_.is_next(begin, payload)) {
      a.turn = co_await take_turn(who);
      continue;  // others may have been there first
    }
    const auto placed = place_request(r);
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
  if (payload && a.where.payload > 0) any_payload_ = true;
  if (a.where.where == place::memory || a.where.where == place::spill) {
    a.arriving = sequencer_.await(a.where.begin);
  }
  a.error = co_await ensure_open(who, r, static_cast<bool>(a.turn));
  if (a.error == wire_error::none) a.error = co_await make_way(who, r, a.where);
  co_return a;
}

/// What must happen before the payload can go to its place.
awaitable<wire_error> transfer::make_way(client& who, const protocol::request& r,
                                         const stream::placement& where) {
  sink::failure failed;
  if (where.where == place::next && where.zeroes > 0) {
    use_sink_for(who);
    failed = co_await sink_.write_zeroes(where.zeroes);
  } else if (where.where == place::spill && !spill_) {
    failed = open_spill();
  } else if (where.where == place::kept) {
    const auto spill = spill_;
    // What a write has put into the file that is not all there yet must stay.
    const bool useless = where.replaces_spill && spill && !sequencer_.spilling();
    if (useless) co_await spill->give_back(where.begin, r.offset + r.length);
    moved();
  }
  if (failed) co_return failed_in_sink(who, r, failed);
  co_return wire_error::none;
}

awaitable<wire_error> transfer::send(client& who, const protocol::request& r,
                                     protocol::bytes payload) {
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  use_sink_for(who);
  payload_bytes_ += payload.size();
  const auto failed = co_await sink_.write(payload);
  if (failed) co_return failed_in_sink(who, r, failed);
  co_return wire_error::none;
}

bool transfer::takes_at_once(std::uint64_t offset, std::uint64_t length) const {
  const auto& limits = settings_.limits;
  const bool running = phase_ == phase::running && state() != lifecycle::state::failed;
  return running && opened_ && turns_.free() && offset >= position() &&
         sequencer_.is_next(offset, true) &&
         offset + length <= limits.size.value_or(limits.max_stream);
}

awaitable<wire_error> transfer::send_parts(client& who, const protocol::request& r,
                                           std::span<iovec> parts) {
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  use_sink_for(who);
  payload_bytes_ += r.length;
  const auto failed = co_await sink_.write_parts(parts);
  if (failed) co_return failed_in_sink(who, r, failed);
  co_return wire_error::none;
}

awaitable<transfer::spliced> transfer::splice(client& who, const protocol::request& r, int socket,
                                              std::uint64_t count) {
  spliced result;
  result.error = wire_error::io;
  if (state() == lifecycle::state::failed) co_return result;
  use_sink_for(who);
  result.did = co_await sink_.splice(socket, count);
  payload_bytes_ += result.did.moved;
  spliced_bytes_ += result.did.moved;
  result.error = wire_error::none;
  if (result.did.failed) result.error = failed_in_sink(who, r, result.did.failed);
  co_return result;
}

awaitable<wire_error> transfer::spill(client& who, const protocol::request& r, std::uint64_t offset,
                                      protocol::bytes payload) {
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  const auto spill = spill_;  // the stream may fail and let go of it meanwhile
  const auto error = co_await spill->write(offset, payload);
  if (!error) co_return wire_error::none;
  co_return refuse(who, r, error.value(),
                   fmt::format("{} bytes at {} cannot be kept in the spill file: {}", r.length,
                               r.offset, error.message()));
}

std::optional<wire_error> transfer::done(client& who, const protocol::request& r, admitted a) {
  if (state() == lifecycle::state::failed) return wire_error::io;
  const auto& where = a.where;
  const bool held = where.where == place::memory || where.where == place::spill;
  if (held) sequencer_.keep(where);
  a.arriving.end();
  a.turn.release();
  // FUA does not wait for a gap.
  const bool later = where.answer_later && !(r.flags & protocol::command_flag::fua);
  // While there is room for more, and more is held, the missing bytes may be on their way too.
  if (held && waiting_for_room_ == 0 && sequencer_.memory().used() > grown_to_) {
    grown_to_ = sequencer_.memory().used();
    quiet_since_ = io::clock::now();
  }
  if (later) {
    put_off_.push_back({where.begin + where.payload, &who, r.ticket()});
    std::ranges::push_heap(put_off_, std::greater{}, &put_off::end);
  }
  moved();
  if (later) return std::nullopt;
  return wire_error::none;
}

void transfer::answer_all(client& who) {
  // In their order; and what is left of it is in order, which is a heap too.
  std::ranges::sort(put_off_, {}, &put_off::end);
  std::erase_if(put_off_, [&](const auto& p) {
    if (p.who != &who) return false;
    who.answer(p.of, wire_error::none);
    return true;
  });
}

awaitable<wire_error> transfer::flush(client& who) {
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  if (!opened_ || !sink_.flushes()) co_return wire_error::none;
  auto turn = co_await take_turn(who);
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  use_sink_for(who);
  const auto failed = co_await sink_.flush();
  if (failed) co_return failed_in_sink(who, {.type = command::flush}, failed);
  turn.release();
  moved();
  co_return wire_error::none;
}

}  // namespace nbdstream
