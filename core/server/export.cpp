// SPDX-License-Identifier: BSD-3-Clause
#include "server/export.hpp"

#include <fmt/format.h>

namespace nbdstream {
namespace {

/// What every export offers. FAST_ZERO is honest: --order strict sends zeroes at once, so such a
/// request always gets ENOTSUP. CAN_MULTI_CONN is not offered: in strict order the data of two
/// connections cannot be interleaved, so a client must not spread its writes over several.
constexpr std::uint16_t offered =
    protocol::transmission_flag::has_flags | protocol::transmission_flag::send_flush |
    protocol::transmission_flag::send_fua | protocol::transmission_flag::send_trim |
    protocol::transmission_flag::send_write_zeroes | protocol::transmission_flag::send_fast_zero;

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
      changed_(executor_) {
  const auto& c = settings_.config;
  info_ = {c.name, c.description, c.size.value_or(config::unknown_size), offered};
  if (!c.name.empty()) label_ = fmt::format("export \"{}\": ", c.name);
}

void nbd_export::attach(client&) {
  ever_attached_ = true;
  ++bystanders_;
  last_movement_ = io::clock::now();
}

void nbd_export::detach(client& who, departure how) {
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
  s.limits = {c.size, c.max_stream};
  s.vouched = settings_.vouched;
  s.pad = c.pad;
  s.refuse_gaps = settings_.refuse_gaps;
  current_ = std::make_shared<transfer>(executor_, std::move(s), *sink_, log_,
                                        [this] { changed_.notify_all(); });
}

protocol::wire_error nbd_export::read(const client& who, std::uint64_t offset) const noexcept {
  const auto& stream = who.joined ? who.joined : current_;
  return stream ? stream->read(offset) : protocol::wire_error::none;
}

io::clock::time_point nbd_export::settled_at() const noexcept {
  const auto patience = bystanders_ > 0 ? bystander_patience : 1;
  return last_movement_ + patience * settings_.config.settle;
}

awaitable<bool> nbd_export::stream_decided() {
  for (;;) {
    auto until = io::clock::time_point::max();
    if (!current_) {
      if (closed_) co_return false;
    } else if (current_->state() == lifecycle::state::failed) {
      co_return true;
    } else if (current_->state() == lifecycle::state::candidate) {
      until = settled_at();
      if (!may_continue() || io::clock::now() >= until) co_return true;
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
