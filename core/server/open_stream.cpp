// SPDX-License-Identifier: BSD-3-Clause
//
// The life of a stream. How requests get into it is in stream_requests.cpp.
#include "server/open_stream.hpp"

#include "log/reason.hpp"
#include "protocol/error.hpp"
#include "server/stream_summary.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nbdstream {

using protocol::wire_error;
using state_of = stream::verdict::state;
using time_point = io::clock::time_point;

open_stream::open_stream(const asio::any_io_executor& executor, settings s, sink::sink& sink,
                         log::context log, io::condition& changed)
    : settings_(std::move(s)),
      sink_(sink),
      log_(std::move(log)),
      changed_(changed),
      order_(settings_.limits),
      verdict_(settings_.complete_when, io::clock::now()),
      stall_(settings_.stall, io::clock::now()),
      encoder_(encoding::make_encoder(settings_.format, sink)),
      spill_(executor, settings_.spill),
      held_(order_, spill_, *encoder_, sink_, settings_.limits.gaps_are_zeroes),
      unspilled_(executor, spill_),
      spilling_(executor, [this](std::exception_ptr e) { fail(log::reason(e)); }),
      turns_(executor),
      room_(executor) {
  if (settings_.receipt.empty()) return;
  receipt_ = std::make_unique<receipt::writer>(executor, settings_.receipt,
                                               settings_.receipt_timeout, log);
}

void open_stream::join(client& who) {
  const log::field by[] = {{"connection", who.id}};
  log_.line(log::level::debug, "joined by " + who.name, by);
  writers_.push_back(&who);
  ++joined_;
  verdict_.joined();
  changed_.notify_all();
}

void open_stream::leave(client& who, stream::disconnect how) {
  std::erase(writers_, &who);
  late_.forget(who);
  const auto lost = std::erase_if(unspilled_writes_, [&](auto& w) { return w.who == &who; });
  if (is_finished()) return;
  if (lost > 0) {
    fail(who.name + " disconnected inside a request", stream::verdict::cause::vanished_client);
  }
  if (settings_.complete_when.told && how == stream::disconnect::eof) {
    log_.warning("{} disconnected without NBD_CMD_DISC", who.name);
  }
  verdict_.left(how, who.name, io::clock::now());
  verdict_changed();
  if (waits_to_be_told())
    log_.info("every writer has disconnected: waiting for a commit or an abort through --control");
}

void open_stream::bystanders(std::size_t count) {
  verdict_.bystanders(count, io::clock::now());
  bystanders_ = count;
  tell_of_bystanders();
  changed_.notify_all();
}

/// Otherwise it would be a riddle why the stream does not end.
void open_stream::tell_of_bystanders() {
  if (state() != state_of::settling || bystanders_ == 0) return;
  if (std::exchange(bystanders_were_told_, true)) return;
  log_.info(
      "every writer has disconnected, but {} that {} not written may still write: waiting for {} "
      "end",
      bystanders_ == 1 ? "1 connection" : fmt::format("{} connections", bystanders_),
      bystanders_ == 1 ? "has" : "have", bystanders_ == 1 ? "its" : "their");
}

void open_stream::run_exited(int status, std::string_view how) {
  verdict_.run_exited(status, how, io::clock::now());
  verdict_changed();
}

void open_stream::no_more_clients() {
  verdict_.no_more_clients();
  verdict_changed();
}

bool open_stream::has_open_requests() const noexcept {
  return !late_.empty() || !unspilled_writes_.empty() ||
         std::ranges::any_of(writers_, &client::in_request);
}

std::string open_stream::told_to_commit() {
  auto refused = verdict_.told_to_commit(order_.named_until_now());
  verdict_changed();
  return refused;
}

void open_stream::told_to_abort(std::string_view reason) {
  if (!end_is_sent_) fail(reason);
}

void open_stream::stop(std::string_view reason) {
  verdict_.stop(reason);
  verdict_changed();
}

void open_stream::fail(std::string_view reason, stream::verdict::cause why) {
  if (sink_committed_) return;
  verdict_.fail(reason, why);
  verdict_changed();
}

void open_stream::heed_sink() {
  const auto* const trouble = opened_ && !is_finished() ? sink_.trouble() : nullptr;
  if (trouble) fail("the sink has failed: " + trouble->why);
}

/// No coroutine waits any longer for a stream that has failed.
void open_stream::verdict_changed() {
  changed_.notify_all();
  tell_of_bystanders();
  if (state() == state_of::written) {
    order_.finish(settings_.pad);
    verdict_.cover(order_.named());
  }
  if (state() != state_of::failed || std::exchange(waiters_aborted_, true)) return;
  cancelled_at_ = io::clock::now();
  if (opened_) sink_.cancel();
  if (receipt_) receipt_->abandon();
  spill_.abandon();
  held_.drop();
  unspilled_.abandon();
  late_.answer_all(wire_error::io);
  for (const auto& w : unspilled_writes_) w.who->replies.add(w.request.reply_to(), spill_error_);
  unspilled_writes_.clear();
  for (auto* const who : writers_) who->arriving.reset();
  turns_.close();
  room_.notify_all();
}

void open_stream::cancel_commit(std::string_view reason) {
  if (state() != state_of::complete || sink_committed_) return;
  if (!end_is_sent_) return fail(reason);
  log_.warning("{}, but the end of the stream was sent already: waiting for the sink", reason);
}

awaitable<sink::failure> open_stream::open_sink() {
  if (receipt_) {
    // One of an earlier stream must not be taken for this one's, also where this one is aborted.
    auto failed = co_await receipt_->begin();
    if (failed) co_return failed;
    // Meanwhile it may have ended, and the sink may be another stream's.
    if (is_finished()) co_return sink::failure{asio::error::operation_aborted, "cancelled"};
  }
  opened_ = true;
  const log::field which[] = {{"unique_id", std::string_view(settings_.unique_id)}};
  log_.line(log::level::debug, "opening the sink", which);
  // A named object: GCC 12 destroys a braced temporary beside co_await at the wrong address.
  sink::stream_info info;
  info.id = settings_.id;
  info.size = settings_.limits.size;
  info.size_is_exact = settings_.pad;
  info.export_name = settings_.export_name;
  info.unique_id = settings_.unique_id;
  info.began = began_at_;
  auto failed = co_await encoder_->open(info);
  is_open_ = !failed;
  if (failed) failed.why = "the sink cannot be opened: " + failed.why;
  co_return failed;
}

wire_error open_stream::refuse(const client& who, const protocol::request& r, int error_number,
                               std::string_view why) {
  if (!is_finished()) failed_in_ = {who.id, r.offset};
  fail(fmt::format("{}: {} refused: {}", who.name, protocol::name_of(r.type), why));
  return protocol::to_wire_error(error_number);
}

wire_error open_stream::failed_in_sink(const client& who, const protocol::request& r,
                                       error_code error, std::string_view why) {
  // What was cancelled was cancelled because the stream has failed already: the reason stands.
  if (!is_finished()) failed_in_ = {who.id, r.offset};
  fail(fmt::format("{}: {} of {} bytes at {}: {}", who.name, protocol::name_of(r.type), r.length,
                   r.offset, why));
  return protocol::to_wire_error(error.value());
}

/// When there is something to send, or a gap to skip, for the coroutine that has the turn.
time_point open_stream::send_at() const {
  if (!accepts_writers()) return time_point::max();
  if (order_.ready()) return time_point::min();
  if (!clients_wait() || !order_.waits_for_gap()) return time_point::max();
  // While there is room, what is arriving may have the missing bytes behind it.
  if (waiting_for_room_ == 0 && order_.awaited() > 0) return time_point::max();
  return stall_.skip_at();
}

time_point open_stream::next_action_at() const {
  return std::min(turns_.free() ? send_at() : time_point::max(), verdict_.next_at());
}

awaitable<void> open_stream::act() {
  if (verdict_.next_at() <= io::clock::now()) {
    verdict_.tick(io::clock::now());
    verdict_changed();
  }
  if (!turns_.free()) co_return;
  const auto turn = turns_.enter();
  while (send_at() <= io::clock::now()) {
    sink::failure failed;
    if (order_.ready()) {
      failed = co_await held_.send_next();
      moved();
    } else {
      failed = co_await skip_gap();
    }
    if (failed) fail(failed.why);
  }
}

/// The cursor may have moved, or memory may be free.
void open_stream::moved() {
  stall_.cursor_is_at(order_.cursor(), io::clock::now());
  late_.answer_before(order_.cursor());
  if (!order_.memory().more_than_half()) late_.answer_all(wire_error::none);
  if (waiting_for_room_ > 0) room_.notify_all();
  if (next_action_at() != time_point::max()) changed_.notify_all();
}

/// A full window has waited for --stall.
awaitable<sink::failure> open_stream::skip_gap() {
  const bool window = settings_.limits.mode == stream::order::window;
  const auto what = fmt::format(
      "{}, and no client has written the bytes from {} on within {}",
      window ? fmt::format("{} bytes are held of a window of {}, a client waits",
                           order_.memory().used(), settings_.limits.window)
             : fmt::format("{} separate extents are held, a client waits", order_.held().size()),
      order_.cursor(), std::chrono::duration_cast<std::chrono::milliseconds>(settings_.stall));
  if (settings_.complete_when.every_byte()) {
    co_return sink::failure{from_errno(ENODATA),
                            what + (window ? "; --order spill keeps what a window cannot hold"
                                           : "; write fewer and larger pieces")};
  }
  const auto count = order_.close_gap();
  if (stall_.gap_was_skipped()) {
    const log::field where[] = {{"offset", order_.cursor() - count}};
    log_.line(log::level::info,
              fmt::format("{}: {} zeroes were sent instead, and nbdstream will not wait for later "
                          "gaps; --order spill waits for them",
                          what, count),
              where);
  }
  const auto failed = co_await write_zeroes(order_.cursor() - count, count);
  moved();
  co_return failed;
}

awaitable<sink::failure> open_stream::write_zeroes(std::uint64_t offset, std::uint64_t length) {
  zero_bytes_ += length;
  return encoder_->write_zeroes(offset, length);
}

/// Sends all that is held, and commits. State: complete.
awaitable<sink::failure> open_stream::complete() {
  sink::failure failed;
  if (!opened_) failed = co_await open_sink();
  while (!failed && state() == state_of::complete && order_.ready()) {
    failed = co_await held_.send_next();
  }
  if (failed) co_return failed;
  if (state() != state_of::complete) co_return sink::failure{from_errno(ECANCELED), {}};
  failed = co_await encoder_->finish();
  if (failed) co_return failed;
  if (state() != state_of::complete) co_return sink::failure{from_errno(ECANCELED), {}};
  failed = co_await seal();
  if (failed) co_return failed;
  if (state() != state_of::complete) co_return sink::failure{from_errno(ECANCELED), {}};
  // From here on it is for the sink alone to fail.
  end_is_sent_ = settings_.format.rbd_diff.has_value();
  failed = co_await encoder_->end();
  if (failed) co_return failed;
  failed = co_await sink_.commit(encoder_->length());
  if (failed) {
    failed.why = "the sink's commit failed: " + failed.why;
    co_return failed;
  }
  sink_committed_ = true;
  co_await issue_receipt();
  co_return failed;
}

awaitable<void> open_stream::finish() {
  co_await spilling_.join();
  bool committed = sink_committed_;  // once more, where what comes behind that has thrown
  if (state() == state_of::complete && !committed) {
    const auto failed = co_await complete();
    committed = !failed;
    if (failed) fail(failed.why);
  }
  if (!committed && opened_) {
    changed_.notify_all();  // the abort is watched
    co_await sink_.abort();
  }
  if (!committed && receipt_) co_await receipt_->discard();
  if (opened_) compressed_bytes_ = sink_.compressed();
  end(committed);
  log_end();
}

void open_stream::end(bool committed) noexcept {
  if (committed) {
    verdict_.committed();
  } else {
    verdict_.aborted();
  }
  // Its clients may keep it for long: they need no memory and no disk for that.
  held_.drop();
  unspilled_.abandon();
  spill_.close();
}

/// One line, whatever became of it. State: ended().
void open_stream::log_end() {
  const auto& history = order_.history();
  stream_summary s;
  s.ended = outcome();
  if (settings_.format.rbd_diff) s.named = order_.named().named_bytes();
  s.ahead = history.ahead;
  s.distance = history.distance;
  s.held_memory_peak = order_.memory().peak();
  s.held_spill_peak = history.spilled;
  if (failed_in_) {
    s.connection = failed_in_->connection;
    s.offset = failed_in_->offset;
  }
  const bool committed = s.ended.committed;
  log_.line(committed ? log::level::info : log::level::error, s.text(), s.fields());
  if (!committed) return;
  log_.debug(
      "of its payload {} bytes were spliced from sockets, {} came from the spill "
      "file, {} were copied",
      spliced_bytes_, held_.spilled_bytes(),
      sent_bytes_ - spliced_bytes_ + held_.sent_bytes() - held_.spilled_bytes());
}

}  // namespace nbdstream
