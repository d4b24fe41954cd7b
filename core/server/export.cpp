// SPDX-License-Identifier: BSD-3-Clause
#include "server/export.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream {
namespace {

/// What an export offers. FAST_ZERO is honest: --order strict sends zeroes at once, so there such a
/// request gets ENOTSUP. CACHE is a hint, which is taken and does nothing.
///
/// CAN_MULTI_CONN means that what one connection has written is there for all, and that a FLUSH on
/// one covers all. With window, spill and spool it holds: connections share what is held, and each
/// may fill the gap of another. With strict it would invite clients to spread their writes over
/// connections that no order of arrival can put in order, so it is not offered.
std::uint16_t offered(stream::order order) {
  using namespace protocol::transmission_flag;
  const std::uint16_t always = has_flags | send_flush | send_fua | send_trim | send_write_zeroes |
                               send_fast_zero | send_cache;
  return order == stream::order::strict ? always : always | can_multi_conn;
}

/// A stream of nothing but zeroes waits so many times --settle while a connection is there that has
/// not written yet: it may be slow, or never write.
constexpr int bystander_patience = 10;

}  // namespace

nbd_export::nbd_export(asio::any_io_executor executor, settings s, std::unique_ptr<sink::sink> sink,
                       log::logger& log)
    : executor_(std::move(executor)),
      settings_(std::move(s)),
      sink_(std::move(sink)),
      log_(log),
      changed_(executor_),
      readers_(executor_) {
  if (!settings_.open_spill) {
    settings_.open_spill = [in = settings_.spill_directory, on = executor_] {
      return io::open_spill_file(on, in);
    };
  }
  const auto& c = settings_.config;
  info_ = {c.name, c.description, c.size.value_or(config::unknown_size), offered(settings_.order)};
  if (!c.name.empty()) label_ = fmt::format("export \"{}\": ", c.name);
}

void nbd_export::attach(client&) {
  ever_attached_ = true;
  ++attached_;
  ++bystanders_;
  last_movement_ = io::clock::now();
}

void nbd_export::detach(client& who, departure how) {
  --attached_;
  if (who.joined) {
    who.joined->leave(who, how);
  } else {
    --bystanders_;
  }
  last_movement_ = io::clock::now();
  changed_.notify_all();
}

void nbd_export::hung_up(client& who) {
  if (who.joined) who.joined->fail(who.name() + " went away inside a request");
  changed_.notify_all();
}

bool nbd_export::last_stream() const noexcept {
  const auto limit = settings_.config.streams;
  return limit > 0 && committed_ + aborted_ + (current_ ? 1 : 0) >= limit;
}

bool nbd_export::may_continue() const noexcept {
  return !settings_.vouched && !last_client_left_ && current_->only_zeroes();
}

bool nbd_export::joinable() const noexcept {
  if (finishing_) return false;
  switch (current_->state()) {
    case lifecycle::state::open: return true;
    case lifecycle::state::candidate: return may_continue();
    case lifecycle::state::failed: return false;
  }
  return false;
}

awaitable<std::shared_ptr<transfer>> nbd_export::join(client& who) {
  if (who.joined) co_return who.joined;
  while (current_ && !joinable()) {
    if (closed_ || last_stream()) co_return nullptr;
    who.before_wait();
    if (!who.gone) co_await changed_.wait();
    if (who.gone) co_return nullptr;
  }
  if (!current_) {
    if (closed_) co_return nullptr;
    begin_stream();
  }
  --bystanders_;
  who.joined = current_;
  current_->join(who);
  co_return who.joined;
}

void nbd_export::begin_stream() {
  const auto& c = settings_.config;
  transfer::settings s;
  s.id = stream_id();
  s.label = fmt::format("{}stream {}", label_, s.id);
  s.export_name = c.name;
  s.limits.size = c.size;
  s.limits.max_stream = c.max_stream;
  s.limits.mode = settings_.order;
  s.limits.window = c.window;
  s.limits.spill = c.spill_limit.value_or(s.limits.spill);
  s.stall = c.stall;
  s.spill_directory = settings_.spill_directory;
  s.open_spill = settings_.open_spill;
  s.vouched = settings_.vouched;
  s.pad = c.pad;
  s.refuse_gaps = settings_.refuse_gaps;
  current_ = std::make_shared<transfer>(executor_, std::move(s), *sink_, log_,
                                        [this] { changed_.notify_all(); });
}

io::clock::time_point nbd_export::settled_at() const noexcept {
  const auto patience = bystanders_ > 0 ? bystander_patience : 1;
  return last_movement_ + patience * settings_.config.settle;
}

awaitable<bool> nbd_export::stream_decided() {
  for (;;) {
    auto until = current_ ? current_->tend_at() : io::clock::time_point::max();
    if (until <= io::clock::now()) {
      co_await current_->tend();
      continue;
    }
    if (!current_) {
      if (closed_) co_return false;
    } else if (current_->state() == lifecycle::state::failed) {
      co_return true;
    } else if (current_->state() == lifecycle::state::candidate) {
      until = std::min(until, settled_at());
      if (!may_continue() || io::clock::now() >= settled_at()) co_return true;
    }
    co_await changed_.wait(until);
  }
}

awaitable<void> nbd_export::run() {
  for (;;) {
    const bool decided = co_await stream_decided();
    if (!decided) break;
    finishing_ = true;
    const bool committed = co_await current_->finish();
    ++(committed ? committed_ : aborted_);
    bytes_before_ += current_->position();
    current_.reset();
    finishing_ = false;
    if (last_stream() || last_client_left_) closed_ = true;
    changed_.notify_all();
  }
  ended_ = true;
}

void nbd_export::vouch() {
  const bool size_is_known = settings_.config.size.has_value();
  // A client that skips zeroes has nothing to name on an empty disk.
  if (!current_ && ever_attached_ && size_is_known && !settings_.refuse_gaps && !closed_) {
    begin_stream();
  }
  if (current_) current_->vouch();
  no_more_clients();
}

void nbd_export::no_more_clients() {
  last_client_left_ = true;
  if (!current_) closed_ = true;
  changed_.notify_all();
}

void nbd_export::stop(std::string_view reason) {
  closed_ = true;
  if (current_) current_->fail(reason);
  changed_.notify_all();
}

void nbd_export::close() {
  closed_ = true;
  changed_.notify_all();
}

void nbd_export::broke() {
  ++aborted_;
  closed_ = ended_ = true;
  current_.reset();
  changed_.notify_all();
}

void nbd_export::cancel_commit() {
  if (current_) current_->cancel_commit();
}

}  // namespace nbdstream
