// SPDX-License-Identifier: BSD-3-Clause
//
// The life of a stream. How requests get into it is in transfer_requests.cpp, how what is held gets
// out of it in transfer_held.cpp.
#include "server/transfer.hpp"

#include "protocol/error.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace nbdstream {

using protocol::wire_error;

namespace {

constexpr std::uint64_t end_of_everything = std::uint64_t{1} << 62;

}  // namespace

transfer::transfer(const asio::any_io_executor& executor, settings s, sink::sink& sink,
                   log::logger& log, std::function<void()> changed)
    : settings_(std::move(s)),
      sink_(sink),
      log_(log),
      changed_(std::move(changed)),
      sequencer_(settings_.limits),
      life_(settings_.vouched),
      turns_(executor),
      room_(executor) {}

void transfer::join(client& who) {
  log_.debug("{}: joined by {}", settings_.label, who.name());
  writers_.push_back(&who);
  life_.joined();
  changed_();
}

void transfer::leave(client& who, departure how) {
  std::erase(writers_, &who);
  std::erase_if(put_off_, [&](const auto& p) { return p.who == &who; });
  std::ranges::make_heap(put_off_, std::greater{}, &put_off::end);
  if (over()) return;
  life_.left(how, who.name());
  if (state() == lifecycle::state::failed) give_up();
  changed_();
}

void transfer::vouch() {
  life_.vouch();
  changed_();
}

void transfer::fail(std::string_view reason) {
  if (phase_ != phase::running || state() == lifecycle::state::failed) return;
  life_.fail(reason);
  give_up();
  changed_();
}

/// Nobody waits any longer for a stream that has failed.
void transfer::give_up() {
  if (opened_) sink_.cancel();
  for (const auto& p : std::exchange(put_off_, {})) p.who->answer(p.of, wire_error::io);
  for (auto* const who : writers_) who->stream_failed();
  room_.notify_all();
}

void transfer::cancel_commit() {
  if (phase_ == phase::committing) sink_.cancel();
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
  sequencer_.finish(settings_.pad);
  const auto& unnamed = sequencer_.unnamed();
  if (settings_.refuse_gaps && !unnamed.complete()) {
    co_return sink::failure{
        from_errno(ENODATA),
        fmt::format("{} bytes were never named by any request ({}); --gaps allow is for clients "
                    "that skip zeroes",
                    unnamed.missing_bytes(), unnamed.describe())};
  }
  sink::failure failed;
  sink_.before_wait = nullptr;
  if (!opened_) failed = co_await open_sink();
  while (!failed && sequencer_.ready()) failed = co_await send_next();
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
    log_committed();
  } else {
    if (opened_) co_await sink_.abort();
    log_.error("{}: aborted at offset {}: {}", settings_.label, sequencer_.cursor(),
               life_.reason());
  }
  phase_ = phase::ended;
  // Its clients may keep it for long: they need no memory and no disk for that.
  sequencer_.drop();
  if (const auto spill = std::exchange(spill_, nullptr)) {
    // On its own thread: to close a large file at once would keep everybody waiting.
    co_await spill->give_back(0, end_of_everything);
  }
  co_return committed;
}

void transfer::log_committed() {
  const auto bytes = sequencer_.cursor();
  const auto& history = sequencer_.history();
  std::string order = "in order";
  if (history.ahead > 0) {
    order = fmt::format(
        "{} writes came ahead of the stream, by up to {} bytes; most held at once: {} bytes in "
        "memory, {} bytes spilled",
        history.ahead, history.distance, sequencer_.memory().peak(), history.spilled);
  }
  const std::chrono::duration<double> took = io::clock::now() - began_;
  log_.info("{}: committed, {} bytes, {} of them zeroes that no payload carried, in {:.2f} s; {}",
            settings_.label, bytes, bytes - payload_bytes_, took.count(), order);
  log_.debug(
      "{}: of its payload {} bytes were spliced from sockets, {} came from the spill "
      "file, {} were copied",
      settings_.label, spliced_bytes_, spilled_bytes_,
      payload_bytes_ - spliced_bytes_ - spilled_bytes_);
}

}  // namespace nbdstream
