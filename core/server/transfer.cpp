// SPDX-License-Identifier: BSD-3-Clause
#include "server/transfer.hpp"

#include "protocol/error.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace nbdstream {

using protocol::command;
using protocol::wire_error;

transfer::transfer(const asio::any_io_executor& executor, settings s, sink::sink& sink,
                   log::logger& log, std::function<void()> changed)
    : settings_(std::move(s)),
      sink_(sink),
      log_(log),
      changed_(std::move(changed)),
      sequencer_(settings_.limits),
      life_(settings_.vouched),
      turns_(executor) {}

void transfer::join(client& who) {
  log_.debug("{}: joined by {}", settings_.label, who.name());
  life_.joined();
  changed_();
}

void transfer::leave(client& who, departure how) {
  if (phase_ == phase::ended || state() == lifecycle::state::failed) return;
  life_.left(how, who.name());
  if (state() == lifecycle::state::failed && opened_) sink_.cancel();
  changed_();
}

void transfer::vouch() {
  life_.vouch();
  changed_();
}

void transfer::fail(std::string_view reason) {
  if (phase_ != phase::running || state() == lifecycle::state::failed) return;
  life_.fail(reason);
  if (opened_) sink_.cancel();
  changed_();
}

void transfer::cancel_commit() {
  if (phase_ == phase::committing) sink_.cancel();
}

awaitable<io::turnstile::turn> transfer::take_turn(client& who) {
  if (turns_.free()) co_return turns_.enter();
  who.before_wait();
  co_return co_await turns_.wait_and_enter();
}

stream::result<stream::placement> transfer::place(const protocol::request& r) {
  switch (r.type) {
    case command::write: return sequencer_.write(r.offset, r.length);
    case command::trim: return sequencer_.trim(r.offset, r.length);
    default: return sequencer_.write_zeroes(r.offset, r.length);
  }
}

awaitable<transfer::started> transfer::begin(client& who, protocol::request r) {
  if (state() == lifecycle::state::failed) co_return started{wire_error::io, {}};
  const auto placed = place(r);
  if (!placed) {
    co_return started{refuse(who, r, placed.error().error_number, placed.error().why), {}};
  }
  sink_.before_wait = [&who] { who.before_wait(); };
  sink::failure failed;
  if (!opened_) failed = co_await open_sink();
  if (!failed && placed->zeroes > 0) failed = co_await sink_.write_zeroes(placed->zeroes);
  if (failed) co_return started{failed_in_sink(who, r, failed), {}};
  co_return started{wire_error::none, *placed};
}

awaitable<sink::failure> transfer::open_sink() {
  opened_ = true;
  log_.debug("{}: opening the sink", settings_.label);
  // A named object: GCC 12 destroys a braced temporary beside co_await at the wrong address.
  const sink::stream_info info{settings_.id, settings_.limits.size, settings_.export_name};
  auto failed = co_await sink_.open(info);
  if (failed) failed.why = "the sink cannot be opened: " + failed.why;
  co_return failed;
}

awaitable<wire_error> transfer::send(client& who, const protocol::request& r,
                                     protocol::bytes payload) {
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  sink_.before_wait = [&who] { who.before_wait(); };
  payload_bytes_ += payload.size();
  const auto failed = co_await sink_.write(payload);
  if (failed) co_return failed_in_sink(who, r, failed);
  co_return wire_error::none;
}

awaitable<wire_error> transfer::flush(client& who) {
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  if (!opened_ || !sink_.flushes()) co_return wire_error::none;
  const auto turn = co_await take_turn(who);
  if (state() == lifecycle::state::failed) co_return wire_error::io;
  sink_.before_wait = [&who] { who.before_wait(); };
  const auto failed = co_await sink_.flush();
  if (!failed) co_return wire_error::none;
  co_return failed_in_sink(who, {.type = command::flush}, failed);
}

wire_error transfer::read(std::uint64_t offset) const noexcept {
  return sequencer_.reads_as_zeroes(offset) ? wire_error::none : wire_error::io;
}

wire_error transfer::refuse(const client& who, const protocol::request& r, int error_number,
                            std::string_view why) {
  fail(fmt::format("{}: {} refused: {}", who.name(), protocol::name_of(r.type), why));
  return protocol::to_wire_error(error_number);
}

wire_error transfer::failed_in_sink(const client& who, const protocol::request& r,
                                    const sink::failure& failed) {
  // What we cancelled, we cancelled because the stream has failed already: the reason stands.
  fail(fmt::format("{}: {} of {} bytes at {}: {}", who.name(), protocol::name_of(r.type), r.length,
                   r.offset, failed.why));
  return protocol::to_wire_error(failed.code.value());
}

awaitable<sink::failure> transfer::complete() {
  const auto tail = sequencer_.finish(settings_.pad);
  const auto& unnamed = sequencer_.unnamed();
  if (settings_.refuse_gaps && !unnamed.complete()) {
    co_return sink::failure{
        from_errno(ENODATA),
        fmt::format("{} bytes were never named by any request ({}); --gaps allow is for clients "
                    "that skip zeroes",
                    unnamed.missing_bytes(), unnamed.describe())};
  }
  sink_.before_wait = nullptr;
  sink::failure failed;
  if (!opened_) failed = co_await open_sink();
  if (!failed && tail > 0) failed = co_await sink_.write_zeroes(tail);
  if (failed) co_return failed;
  if (state() == lifecycle::state::failed) co_return sink::failure{from_errno(ECANCELED), {}};
  // From here on a signal lets it finish; all before this can be given up.
  phase_ = phase::committing;
  failed = co_await sink_.commit(sequencer_.cursor());
  if (failed) failed.why = "the sink's commit failed: " + failed.why;
  co_return failed;
}

awaitable<bool> transfer::finish() {
  bool committed = false;
  if (state() == lifecycle::state::candidate) {
    try {
      const auto failed = co_await complete();
      committed = !failed;
      if (failed) life_.fail(failed.why);
    } catch (const std::exception& e) {
      life_.fail(e.what());
    }
  }
  sink_.before_wait = nullptr;
  if (committed) {
    const auto bytes = sequencer_.cursor();
    const std::chrono::duration<double> took = io::clock::now() - began_;
    log_.info("{}: committed, {} bytes, {} of them zeroes that no payload carried, in {:.2f} s",
              settings_.label, bytes, bytes - payload_bytes_, took.count());
  } else {
    if (opened_) co_await sink_.abort();
    log_.error("{}: aborted at offset {}: {}", settings_.label, sequencer_.cursor(),
               life_.reason());
  }
  phase_ = phase::ended;
  co_return committed;
}

}  // namespace nbdstream
