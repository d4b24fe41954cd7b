// SPDX-License-Identifier: BSD-3-Clause
#include "server/session.hpp"

#include "log/reason.hpp"

#include <fmt/format.h>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace nbdstream {
namespace {

using protocol::command;
using stream::disconnect;
using peer_state = io::transport::peer_state;

/// Replies are sent together once so much is pending, or when there is nothing else to do.
constexpr std::size_t reply_batch = 4096;  // bytes

/// After so many requests without having waited for anything, others have their turn.
constexpr int pause_after = 64;

/// How long a client may take to close after its NBD_CMD_DISC.
constexpr auto linger_time = std::chrono::seconds(1);

/// A payload counts as one more request for each of these.
constexpr std::uint64_t payload_unit = 1 << 20;  // bytes

}  // namespace

session::session(const asio::any_io_executor& executor, settings s,
                 std::unique_ptr<io::transport> transport, session_host& host, log::logger& log)
    : settings_(s),
      host_(host),
      on_(executor, s.id, std::move(transport), s.payload_timeout, log),
      request_begins_(executor),
      scope_(executor, [this](std::exception_ptr) { close(); }) {}

void session::close() noexcept {
  closed_ = true;
  on_.transport->close();
}

awaitable<void> session::run() {
  auto how = disconnect::mid_request;
  std::exception_ptr failed;
  try {
    scope_.spawn(watch_deadline());
    scope_.spawn(send_replies());
    how = co_await serve_client();
  } catch (...) {
    failed = std::current_exception();  // out of memory, or a mistake of ours: not of the client
    if (service_) service_->fail(log::reason(failed));
  }
  try {
    if (service_) co_await service_->end(how);
    co_await on_.output.send();  // what was answered before a violation
    if (how == disconnect::clean) co_await linger();
  } catch (...) {
    failed = std::current_exception();
  }
  close();
  on_.deadline.stop();
  on_.output.stop();
  request_begins_.notify_all();
  co_await scope_.join();
  if (failed) std::rethrow_exception(failed);
}

awaitable<disconnect> session::serve_client() {
  on_.deadline.expect_within(settings_.handshake_timeout);
  const bool agreed = co_await negotiate();
  if (!agreed) co_return disconnect::mid_request;
  on_.deadline.rest();
  scope_.spawn(watch_peer());
  co_return co_await transmit();
}

// "Handshake phase".
awaitable<bool> session::negotiate() {
  protocol::negotiator handshake(host_.export_infos(), settings_.tls);
  using state = protocol::negotiator::state;
  for (;;) {
    auto& output = handshake.output();
    const auto unsent = co_await on_.transport->write(output);
    if (unsent) co_return false;
    output.clear();
    if (handshake.current() == state::violated) {
      on_.log.info("closed in the handshake: {}", handshake.why());
    }
    if (handshake.current() == state::transmission) {
      on_.agreed = handshake.agreed();
      on_.replies.agree_on(on_.agreed.reply_form);
      auto& chosen = host_.export_at(handshake.chosen());
      on_.exported = &chosen;
      service_ = chosen.serve(on_);
      on_.log.about().exported = on_.exported->info().name;
      co_return true;
    }
    if (handshake.current() == state::starttls) {
      const bool secure = co_await start_tls();
      if (!secure) co_return false;
      handshake.secured();
    }
    if (handshake.current() != state::talking) co_return false;
    const auto error = co_await on_.input.need(handshake.wants());
    if (error) co_return false;
    handshake.set_gate(host_.gate());
    const auto piece = on_.input.front(handshake.wants());
    on_.input.consume(piece.size());
    handshake.receive(piece);
  }
}

awaitable<bool> session::start_tls() {
  // What came in the clear behind the option, by whomever, must not pass for what came encrypted. A
  // client waits for our answer; what else is on its way is no TLS, and fails the handshake.
  if (on_.input.size() > 0) {
    on_.log.info("closed in the handshake: plaintext behind STARTTLS");
    co_return false;
  }
  const auto error = co_await on_.transport->secure();
  if (error && !closed_) {
    on_.log.info("closed: the TLS handshake failed: {}", error.message());
  }
  co_return !error;
}

// "Transmission phase".
awaitable<disconnect> session::transmit() {
  for (;;) {
    protocol::request r;
    auto ended = co_await next_request(r);
    if (ended) co_return *ended;
    if (r.type == command::disconnect) {
      // It has no reply; those before it are still to be sent.
      const bool answered = co_await answer_all();
      co_return answered ? disconnect::clean : disconnect::mid_request;
    }
    if (on_.me.gone) co_return disconnect::mid_request;
    on_.me.in_request = true;
    if (peer_ != peer_state::connected) request_begins_.notify_all();
    ended = co_await service_->serve(r);
    on_.me.in_request = false;
    if (ended) co_return *ended;
  }
}

awaitable<ending> session::next_request(protocol::request& into) {
  if (++on_.without_pause > pause_after) {
    on_.without_pause = 0;
    co_await asio::post(asio::use_awaitable);
  }
  const auto header = on_.agreed.header_size();
  const bool idle = on_.input.size() < header;
  if (idle || on_.output.queue().size() >= reply_batch) {
    const auto unsent = co_await on_.output.send();
    if (unsent) co_return disconnect::mid_request;
  }
  if (idle) {
    // The payload behind the header is to be spliced, like the last one: it must not be read.
    const auto most = service_->takes_payload_from_socket() ? header : io::input::capacity;
    const auto error = co_await on_.input.need(header, most);
    if (error == asio::error::eof && on_.input.size() == 0) co_return co_await end_of_input();
    if (error) co_return disconnect::mid_request;
  }
  const auto decoded = protocol::decode_request(on_.input.front(header), on_.agreed);
  if (!decoded) {
    on_.log.info("closed: no request where one was due");
    co_return disconnect::mid_request;
  }
  on_.input.consume(header);
  into = *decoded;
  const auto payload = std::min<std::uint64_t>(into.payload(), protocol::max_skipped_payload);
  on_.without_pause += static_cast<int>(payload / payload_unit);
  co_return std::nullopt;
}

/// The client has closed between two requests. Whether it was killed is known by what it took.
awaitable<ending> session::end_of_input() {
  const bool answered = co_await answer_all();
  if (!answered) co_return disconnect::mid_request;
  const auto until = io::clock::now() + settings_.payload_timeout;
  const bool delivered = co_await on_.transport->all_delivered(until);
  co_return delivered ? disconnect::eof : disconnect::mid_request;
}

/// The client asks nothing more: its late replies are sent too.
awaitable<bool> session::answer_all() {
  co_await service_->answer_all();
  const auto unsent = co_await on_.output.send();
  co_return !unsent;
}

awaitable<void> session::linger() {
  lingering_ = true;
  on_.deadline.expect_within(linger_time);
  co_await on_.transport->finish();
}

awaitable<void> session::send_replies() {
  const auto error = co_await on_.output.run();
  if (error) close();
}

/// Nothing has come, or gone, within the time for it.
awaitable<void> session::watch_deadline() {
  for (;;) {
    const bool expired = co_await on_.deadline.expired();
    if (!expired) co_return;
    if (on_.makes_progress()) continue;
    if (!lingering_) on_.log.info("timed out, closed");
    close();
  }
}

awaitable<void> session::watch_peer() {
  peer_ = co_await on_.transport->wait_hangup();
  on_.me.gone = peer_ == peer_state::hung_up;
  while (!closed_ && peer_ != peer_state::connected) {
    if (on_.me.in_request) service_->notice_hangup();
    co_await request_begins_.wait();
  }
}

bool session::reads_last_words() const noexcept {
  return on_.me.joined && transmitting() && on_.transport->peer() != peer_state::connected;
}

}  // namespace nbdstream
