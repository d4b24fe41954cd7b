// SPDX-License-Identifier: BSD-3-Clause
#include "control/http_connection.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <span>
#include <utility>

namespace nbdstream::control {
namespace {

/// What is read at once.
constexpr std::size_t input_piece = 4096;  // bytes
/// What is written between two looks at the deadline.
constexpr std::size_t output_piece = 16 << 10;  // bytes

/// Of what a peer goes on to send after it was refused, so much is read, and no longer than this,
/// so that it reads the refusal: to close a TCP socket with something unread is a reset.
constexpr std::size_t most_unwanted = 1 << 20;  // bytes
constexpr auto refusal_time = std::chrono::seconds(1);

}  // namespace

http_connection::http_connection(const asio::any_io_executor& executor, patience p, place where,
                                 std::string host, std::unique_ptr<io::transport> transport,
                                 service& all)
    : patience_(p),
      where_(where),
      host_(std::move(host)),
      transport_(std::move(transport)),
      all_(all),
      deadline_(executor),
      scope_(executor, [this](std::exception_ptr) { close(); }) {}

void http_connection::close() noexcept {
  closed_ = true;
  transport_->close();
  all_.changed().notify_all();
}

void http_connection::close_if_idle() noexcept {
  // What has come and was not read yet may be a question whose answer is known now.
  if (state_ == state::reading && !reader_.begun() && transport_->unread() == 0) close();
}

awaitable<void> http_connection::run() {
  std::exception_ptr failed;
  try {
    scope_.spawn(watch_deadline());
    co_await serve();
  } catch (...) {
    failed = std::current_exception();
  }
  close();
  deadline_.stop();
  co_await scope_.join();
  if (failed) std::rethrow_exception(failed);
}

awaitable<void> http_connection::watch_deadline() {
  const bool late = co_await deadline_.expired();
  if (late) close();
}

/// A client that waits for the end of a stream may have gone long before.
awaitable<void> http_connection::watch_peer() {
  const auto peer = co_await transport_->wait_hangup();
  if (peer != io::transport::peer_state::connected) close();
}

awaitable<void> http_connection::serve() {
  deadline_.expect_within(patience_.request);
  for (bool more = true; more && !closed_;) {
    const bool whole = co_await read_request();
    if (!whole) co_return;
    more = co_await respond();
    deadline_.expect_within(patience_.idle);
    // However many one peer sends without a pause, others have their turn in between.
    co_await asio::post(asio::use_awaitable);
  }
}

awaitable<bool> http_connection::read_request() {
  state_ = state::reading;
  bool timed = reader_.begun();
  if (timed) deadline_.expect_within(patience_.request);
  std::array<char, input_piece> piece;
  while (reader_.current() == message_reader::state::more) {
    if (reader_.asks_to_continue()) {
      const bool sent = co_await write("HTTP/1.1 100 Continue\r\n\r\n");
      if (!sent) co_return false;
      deadline_.expect_within(patience_.request);
    }
    const auto count = co_await transport_->read_some(std::as_writable_bytes(std::span(piece)));
    if (count.has_error() || *count == 0) co_return false;
    if (!std::exchange(timed, true)) deadline_.expect_within(patience_.request);
    reader_.feed({piece.data(), *count});
  }
  if (reader_.current() == message_reader::state::complete) co_return true;
  state_ = state::answering;
  const bool sent = co_await send(reader_.refusal(), false, false);
  if (sent) co_await let_read_refusal();
  co_return false;
}

awaitable<void> http_connection::let_read_refusal() {
  std::array<char, input_piece> piece;
  deadline_.expect_within(refusal_time);
  for (std::size_t unwanted = 0; unwanted < most_unwanted;) {
    const auto count = co_await transport_->read_some(std::as_writable_bytes(std::span(piece)));
    if (count.has_error() || *count == 0) co_return;
    unwanted += *count;
  }
}

awaitable<bool> http_connection::respond() {
  state_ = state::answering;
  deadline_.rest();
  const auto asked = reader_.take();
  const bool keep_alive = asked.keep_alive && !all_.ending();
  const auto decision = all_.decide(asked, where_, host_);
  if (const auto* const refused = std::get_if<answer>(&decision)) {
    co_return co_await send(*refused, keep_alive, asked.method == "HEAD");
  }
  const auto& what = std::get<action>(decision);
  if (what.what == action::kind::events) {
    co_await stream_events(what.without_body);
    co_return false;
  }
  if (what.waits()) co_return co_await wait_and_send(what, keep_alive);
  const auto a = all_.answer_now(what);
  co_return co_await send(a, keep_alive, what.without_body);
}

awaitable<bool> http_connection::wait_and_send(const action& a, bool keep_alive) {
  const auto pending = all_.begin(a);
  if (!std::exchange(watches_peer_, true)) scope_.spawn(watch_peer());
  while (!pending->done && !closed_) co_await all_.changed().wait();
  if (closed_) co_return false;
  // At the end of the process the answer is the last one.
  co_return co_await send(*pending->done, keep_alive && !all_.ending(), a.without_body);
}

/// One event at a time: a slow reader gets fewer of them.
awaitable<void> http_connection::stream_events(bool header_only) {
  state_ = state::streaming;
  const auto header = render_event_header();
  bool goes_on = co_await write(header);
  while (goes_on && !header_only) {
    const bool last = all_.ending();
    const auto event = all_.event();
    goes_on = co_await write(*event);
    if (last) co_return;
    const auto next = io::clock::now() + patience_.events;
    while (goes_on && !closed_ && !all_.ending() && io::clock::now() < next) {
      co_await all_.changed().wait(next);
    }
  }
}

awaitable<bool> http_connection::send(const answer& a, bool keep_alive, bool without_body) {
  auto text = render_header(a, keep_alive);
  if (!without_body) text += a.body;
  const bool sent = co_await write(text);
  co_return sent&& keep_alive;
}

awaitable<bool> http_connection::write(std::string_view text) {
  while (!text.empty()) {
    deadline_.expect_within(patience_.progress);
    const auto piece = text.substr(0, output_piece);
    const auto failed = co_await transport_->write(std::as_bytes(std::span(piece)));
    if (failed) co_return false;
    text.remove_prefix(piece.size());
  }
  deadline_.rest();
  co_return !closed_;
}

}  // namespace nbdstream::control
