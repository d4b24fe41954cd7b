// SPDX-License-Identifier: BSD-3-Clause
#include "server/session.hpp"

#include <fmt/format.h>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace nbdstream {
namespace {

using protocol::command;

/// Replies are sent together once so much is pending, or when there is nothing else to do.
constexpr std::size_t reply_batch = 4096;  // bytes

/// After so many requests without having waited for anything, others have their turn.
constexpr int pause_after = 64;

/// How long a client may take to close after its goodbye.
constexpr auto farewell = std::chrono::seconds(1);

/// A payload counts as one more request for each of these.
constexpr std::uint64_t payload_unit = 1 << 20;  // bytes

}  // namespace

session::session(const asio::any_io_executor& executor, settings s,
                 std::unique_ptr<io::transport> connection, session_host& host, log::logger& log)
    : settings_(s),
      name_(fmt::format("connection {}", s.id)),
      connection_(std::move(connection)),
      host_(host),
      log_(log),
      input_(*connection_),
      output_(executor, *connection_),
      watchdog_(executor, [this] { time_out(); }),
      scope_(executor, [this](std::exception_ptr) { close(); }) {}

/// Nothing has come within the time for it; or not so much that this was told of it.
void session::time_out() {
  if (unread_ && *unread_ != connection_->unread()) {
    unread_ = connection_->unread();
    watchdog_.expect_within(settings_.payload_timeout);
    return;
  }
  if (!leaving_) log_.info("{}: timed out, closed", name_);
  close();
}

awaitable<void> session::run() {
  scope_.spawn(watchdog_.run());
  watchdog_.expect_within(settings_.handshake_timeout);
  std::exception_ptr failed;
  departure how = departure::torn;
  try {
    const bool agreed = co_await negotiate();
    if (agreed) {
      watchdog_.rest();
      export_->attach(*this);
      scope_.spawn(watch_for_hang_up());
      how = co_await transmit();
    }
  } catch (...) {
    failed = std::current_exception();  // out of memory, or a mistake of ours
  }
  before_wait();  // what was answered before a violation
  if (export_) export_->detach(*this, how);
  if (how == departure::goodbye) co_await leave();
  close();
  watchdog_.stop();
  co_await scope_.join();
  if (failed) std::rethrow_exception(failed);
}

// "Handshake phase".
awaitable<bool> session::negotiate() {
  protocol::negotiator handshake(host_.export_infos(), settings_.tls);
  using state = protocol::negotiator::state;
  for (;;) {
    auto& output = handshake.output();
    const auto unsent = co_await connection_->write(output);
    if (unsent) co_return false;
    output.clear();
    if (handshake.current() == state::violated) {
      log_.info("{}: closed in the handshake: {}", name_, handshake.why());
    }
    if (handshake.current() == state::transmission) {
      export_ = &host_.export_at(handshake.chosen());
      agreed_ = handshake.agreed();
      co_return true;
    }
    if (handshake.current() == state::starttls) {
      const bool secure = co_await start_tls();
      if (!secure) co_return false;
      handshake.secured();
    }
    if (handshake.current() != state::talking) co_return false;
    const auto error = co_await input_.need(handshake.wants());
    if (error) co_return false;
    handshake.set_gate(host_.gate());
    const auto piece = input_.front(handshake.wants());
    input_.consume(piece.size());
    handshake.receive(piece);
  }
}

awaitable<bool> session::start_tls() {
  // What came in the clear behind the option, by whomever, must not pass for what came encrypted. A
  // client waits for our answer; what else is on its way is no TLS, and fails the handshake.
  if (input_.size() > 0) {
    log_.info("{}: closed in the handshake: plaintext behind STARTTLS", name_);
    co_return false;
  }
  const auto error = co_await connection_->secure();
  if (error && !closed_) {
    log_.info("{}: closed: the TLS handshake failed: {}", name_, error.message());
  }
  co_return !error;
}

// "Transmission phase".
awaitable<departure> session::transmit() {
  for (;;) {
    request r;
    auto ended = co_await next_request(r);
    if (ended) co_return *ended;
    if (gone && r.type != command::disconnect) co_return departure::torn;
    in_request_ = true;
    payload_due_ = r.payload();
    ended = co_await serve(r);
    in_request_ = false;
    payload_due_ = 0;
    if (ended) co_return *ended;
  }
}

awaitable<session::ending> session::next_request(request& into) {
  if (++without_pause_ > pause_after) {
    without_pause_ = 0;
    co_await asio::post(asio::use_awaitable);
  }
  const auto header = agreed_.header_size();
  const bool idle = input_.size() < header;
  if (idle || output_.queue().size() >= reply_batch) {
    const bool sent = co_await send_replies();
    if (!sent) co_return departure::torn;
  }
  if (idle) {
    // The payload behind the header is to be spliced, like the last one: it must not be read.
    const auto most = splicing_ ? header : io::input::capacity;
    const auto error = co_await input_.need(header, most);
    if (error == asio::error::eof && input_.size() == 0) {
      const bool answered = co_await answer_all();
      if (!answered) co_return departure::torn;
      const auto until = io::clock::now() + settings_.payload_timeout;
      const bool delivered = co_await connection_->all_delivered(until);
      co_return delivered ? departure::dropped : departure::torn;
    }
    if (error) co_return departure::torn;
  }
  const auto decoded = protocol::decode_request(input_.front(header), agreed_);
  if (!decoded) {
    log_.info("{}: closed: no request where one was due", name_);
    co_return departure::torn;
  }
  input_.consume(header);
  into = *decoded;
  const auto payload = std::min<std::uint64_t>(into.payload(), protocol::max_skipped_payload);
  without_pause_ += static_cast<int>(payload / payload_unit);
  co_return std::nullopt;
}

awaitable<session::ending> session::serve(request r) {
  const auto checked = protocol::check_request(r, agreed_);
  if (checked.error != wire_error::none) co_return co_await refuse(r, checked);
  switch (r.type) {
    case command::read: co_return co_await read(r);
    case command::write: co_return co_await write(r);
    case command::trim:
    case command::write_zeroes: co_return co_await zero(r);
    case command::flush: co_return co_await flush(r);
    case command::block_status: co_return co_await status(r);
    case command::cache: reply(r.ticket(), wire_error::none); co_return std::nullopt;
    default: break;
  }
  // NBD_CMD_DISC: has no reply; those before it are still to be sent.
  const bool answered = co_await answer_all();
  co_return answered ? departure::goodbye : departure::torn;
}

void session::stream_failed() noexcept {
  arriving_.reset();
}

void session::before_wait() {
  push_replies();
  notice_absence();
}

awaitable<void> session::leave() try {
  leaving_ = true;
  watchdog_.expect_within(farewell);
  co_await connection_->finish();
} catch (const std::exception&) {
  // Out of memory: then the end of the connection is an abrupt one.
}

awaitable<void> session::watch_for_hang_up() {
  using absence = io::transport::absence;
  const auto absent = co_await connection_->hung_up();
  if (absent == absence::none) co_return;
  silent_ = true;
  gone = absent == absence::both;
  notice_absence();
}

// Between requests, reading finds out. In one, nobody reads while it waits for the sink, and with
// nobody left to answer the stream cannot be completed any more.
void session::notice_absence() {
  if (!silent_ || !in_request_ || moving_unseen_) return;
  // A client that only stopped sending may still say goodbye with what it sent before; and the
  // exit status of --run vouches also for one that does not.
  const bool last_request = input_.size() + connection_->unread() <= payload_due_;
  if (last_request && !export_->vouched()) gone = true;
  if (gone) export_->hung_up(*this);
}

}  // namespace nbdstream
