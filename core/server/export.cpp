// SPDX-License-Identifier: BSD-3-Clause
#include "server/export.hpp"

#include "log/reason.hpp"
#include "receipt/path.hpp"
#include "server/unique_id.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nbdstream {

using state_of = stream::verdict::state;
using time_point = io::clock::time_point;

namespace {

/// What an export offers. FAST_ZERO is honest: --order strict sends zeroes at once, so there such a
/// request gets ENOTSUP. CACHE is a hint, which is taken and does nothing.
///
/// CAN_MULTI_CONN means that what one connection has written is there for all, and that a FLUSH on
/// one covers all. With window, spill and spool it holds: connections share what is held, and each
/// may fill the gap of another; with any, nothing is held at all. With strict it would invite
/// clients to spread their writes over connections that no order of arrival can put in order, so it
/// is not offered; nor where each connection gets a server of its own (--single behind inetd or
/// socat), which would commit its part.
std::uint16_t offered(stream::order order, bool one_connection) {
  using namespace protocol::transmission_flag;
  const std::uint16_t always = has_flags | send_flush | send_fua | send_trim | send_write_zeroes |
                               send_fast_zero | send_cache;
  const bool several = order != stream::order::strict && !one_connection;
  return several ? always | can_multi_conn : always;
}

/// So many streams that have ended are remembered.
constexpr std::size_t most_recent = 20;

/// How often a line says that a call of the sink still does not return.
constexpr auto stuck_interval = std::chrono::minutes(1);

}  // namespace

nbd_export::nbd_export(asio::any_io_executor executor, settings s, std::unique_ptr<sink::sink> sink,
                       log::logger& log, io::condition& server_changed)
    : executor_(std::move(executor)),
      settings_(std::move(s)),
      sink_(std::move(sink)),
      log_(log, log::about_export(settings_.config.name)),
      changed_(executor_),
      server_changed_(server_changed),
      readers_(executor_) {
  const auto& c = settings_.config;
  info_ = {c.name, c.description, c.size.value_or(config::unknown_size),
           offered(settings_.order, settings_.one_connection)};
  sink_->announce_trouble(changed_);
}

void nbd_export::attach() {
  ever_attached_ = true;
  ++attached_;
  count_bystander(1);
}

void nbd_export::detach(client& who, stream::disconnect how) {
  --attached_;
  if (who.joined) {
    who.joined->leave(who, how);
  } else {
    count_bystander(-1);
  }
  changed_.notify_all();
}

void nbd_export::count_bystander(int change) {
  bystanders_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(bystanders_) + change);
  if (current_) current_->bystanders(bystanders_);
}

void nbd_export::hung_up(client& who) {
  if (who.joined) {
    who.joined->fail(who.name + " disconnected inside a request",
                     stream::verdict::cause::vanished_client);
  }
  changed_.notify_all();
}

bool nbd_export::last_stream() const noexcept {
  const auto limit = settings_.config.streams;
  return limit > 0 && committed_ + aborted_ + (current_ ? 1 : 0) >= limit;
}

std::uint64_t nbd_export::outstanding() const noexcept {
  const auto limit = settings_.config.streams;
  return limit - std::min(limit, committed_ + aborted_);
}

awaitable<std::shared_ptr<open_stream>> nbd_export::join(client& who) {
  if (who.joined) co_return who.joined;
  while (current_ && !current_->accepts_writers()) {
    if (phase_ != phase::serving || last_stream() || is_stuck()) co_return nullptr;
    if (!who.gone) co_await changed_.wait();
    if (who.gone) co_return nullptr;
  }
  if (!current_) {
    if (phase_ != phase::serving) co_return nullptr;
    begin_stream();
  }
  count_bystander(-1);
  who.joined = current_;
  current_->join(who);
  co_return who.joined;
}

void nbd_export::begin_stream() {
  const auto& c = settings_.config;
  open_stream::settings s;
  s.id = committed_ + aborted_ + 1;
  s.unique_id = make_unique_id();
  s.export_name = c.name;
  s.limits.size = c.size;
  s.limits.max_stream = c.max_stream;
  s.limits.mode = settings_.order;
  s.limits.window = c.window;
  s.limits.spill = c.spill_limit.value_or(s.limits.spill);
  s.limits.gaps_are_zeroes = gaps_are_zeroes();
  if (c.format == config::stream_format::rbd_diff) {
    s.format.rbd_diff = diff::header{c.diff_from, c.diff_to, *c.size};
  }
  s.stall = c.stall;
  s.spill = settings_.spill;
  s.pad = c.pad;
  s.zstd_level = c.zstd_level;
  s.module = c.sink.module;
  if (!c.receipt.empty()) s.receipt = receipt::path_of(c.receipt, s.id);
  s.receipt_timeout = settings_.receipt_timeout;
  s.complete_when.decided_by_run = settings_.decided_by_run;
  s.complete_when.told = settings_.told;
  s.complete_when.refuse_gaps = settings_.refuse_gaps;
  s.complete_when.size_is_known = c.size.has_value();
  s.complete_when.follows_vanished_client = client_vanished_ && !settings_.decided_by_run;
  s.complete_when.incremental = c.diff_from.has_value();
  s.complete_when.expected_bytes = c.expect_bytes;
  s.complete_when.settle = c.settle;
  s.complete_when.run_grace = settings_.run_grace;
  auto log = log_.inside(fmt::format("stream {}", s.id));
  log.about().stream = s.id;
  current_ = std::make_shared<open_stream>(executor_, std::move(s), *sink_, log, changed_);
  current_->bystanders(bystanders_);
  if (run_succeeded_) current_->run_exited(0, {});
}

awaitable<bool> nbd_export::stream_decided() {
  while (current_ || phase_ == phase::serving) {
    auto until = time_point::max();
    if (current_) {
      if (current_->state() == state_of::failed || current_->state() == state_of::complete) {
        co_return true;
      }
      until = current_->next_action_at();
      if (until <= io::clock::now()) {
        co_await current_->act();
        continue;
      }
    }
    co_await changed_.wait_with_second_look(until);
  }
  co_return false;
}

awaitable<void> nbd_export::run() {
  for (;;) {
    try {
      const bool decided = co_await stream_decided();
      if (!decided) break;
      co_await current_->finish();
    } catch (...) {  // out of memory, or a mistake of ours
      if (!current_) throw;
      current_->fail(log::reason(std::current_exception()));
      if (!current_->ended()) continue;
    }
    end_stream();
  }
  phase_ = phase::ended;
  changed_.notify_all();
  server_changed_.notify_all();
}

/// State: the current one has ended.
void nbd_export::end_stream() {
  const auto ended = current_->outcome();
  ++(ended.committed ? committed_ : aborted_);
  if (!current_->receipt_problem().empty()) ++without_receipt_;
  client_vanished_ = !ended.committed && (client_vanished_ || current_->client_vanished());
  counted_ += ended.count;
  if (ended.committed) last_commit_ = ended.ended;
  if (recent_.size() == most_recent) recent_.erase(recent_.begin());
  recent_.push_back(ended);
  current_.reset();
  ever_attached_ = bystanders_ > 0;  // whoever only looks now may be the next one's client
  late_ = false;
  if (last_stream()) close();
  changed_.notify_all();
}

awaitable<void> nbd_export::watch_sink() {
  using activity = sink::sink::activity;
  auto aborting_since = time_point::max();
  auto next_line = time_point::min();
  while (!ended()) {
    if (current_) current_->heed_sink();
    const auto what = sink_->busy();
    const auto cancelled_at = current_ ? current_->cancelled_at() : time_point::max();
    if (what != activity::aborting) {
      aborting_since = time_point::max();
    } else if (aborting_since == time_point::max()) {
      aborting_since = io::clock::now();
    }
    const auto asked_at = what == activity::aborting ? aborting_since : cancelled_at;
    if (what == activity::none || asked_at == time_point::max()) {
      next_line = time_point::min();
      co_await changed_.wait();
      continue;
    }
    const auto next_action_at = late_ ? next_line : asked_at + settings_.grace;
    if (io::clock::now() < next_action_at) {
      co_await changed_.wait_with_second_look(next_action_at);
      continue;
    }
    late_ = true;
    next_line = io::clock::now() + stuck_interval;
    const auto waited =
        std::chrono::duration_cast<std::chrono::seconds>(io::clock::now() - asked_at);
    log_.error("{}: a call{} has not returned for {}; {}", sink_->name(),
               what == activity::aborting ? " that aborts a stream" : "", waited,
               what == activity::aborting ? "no other stream of this export begins before it does"
                                          : "this export serves no stream as long as that lasts");
    changed_.notify_all();
    server_changed_.notify_all();
  }
}

void nbd_export::mark_lost() noexcept {
  ++aborted_;
  phase_ = phase::ended;
  changed_.notify_all();
}

void nbd_export::close() noexcept {
  if (phase_ == phase::serving) phase_ = phase::closing;
  changed_.notify_all();
  server_changed_.notify_all();
}

void nbd_export::run_exited(int status, std::string_view how) {
  run_succeeded_ = status == 0;
  if (current_) current_->run_exited(status, how);
  if (status != 0) close();
}

/// A client that skips zeroes has nothing to name on an empty disk: whether a stream of nothing but
/// zeroes may begin, since what decides is no disconnect.
bool nbd_export::zeroes_may_be_meant() const noexcept {
  return !current_ && ever_attached_ && phase_ == phase::serving && !decided_by_disconnects() &&
         settings_.config.size && !settings_.refuse_gaps;
}

void nbd_export::no_more_clients() {
  if (!settings_.told && zeroes_may_be_meant()) begin_stream();
  close();
  if (current_) current_->no_more_clients();
}

void nbd_export::stop(std::string_view reason) {
  close();
  if (current_) current_->stop(reason);
}

void nbd_export::cancel_commit(std::string_view reason) {
  if (current_) current_->cancel_commit(reason);
}

}  // namespace nbdstream
