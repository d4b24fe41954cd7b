// SPDX-License-Identifier: BSD-3-Clause
//
// What a session says in the transmission phase, and how it gets to the client.
#include "io/zeroes.hpp"
#include "protocol/error.hpp"
#include "server/session.hpp"

#include <algorithm>
#include <utility>

namespace nbdstream {
namespace {

/// Data that were read are sent in pieces.
constexpr std::uint64_t read_piece = 256 << 10;  // bytes

}  // namespace

/// Answers anything but a successful READ or BLOCK_STATUS.
void session::reply(const protocol::ticket& of, wire_error error, std::string_view why) {
  protocol::reply_writer replies(output_.queue(), agreed_.said);
  if (error == wire_error::none) return replies.success(of);
  replies.failure(of, error, why.empty() ? protocol::text_of(error) : why);
}

void session::answer(const protocol::ticket& of, wire_error error) {
  reply(of, error);
  push_replies();
}

/// A reply to READ. `data` are the bytes that were asked for, which may be missing where all of
/// them are zeroes.
awaitable<session::ending> session::reply_with_data(request r, std::span<const std::byte> data,
                                                    const protocol::read_layout& layout) {
  using protocol::form;
  auto chunks = layout.chunks(r.has(protocol::command_flag::df));
  if (agreed_.said == form::simple) chunks = {{r.offset, r.offset + r.length, false}};
  std::vector<std::byte> head;
  protocol::reply_writer replies(head, agreed_.said);
  if (chunks.empty()) replies.nothing(r.ticket());
  // A client that is slow to take them must not keep others from reading for long.
  watchdog_.expect_within(settings_.payload_timeout);
  auto failed = co_await output_.begin_message();
  for (std::size_t i = 0; !failed && i < chunks.size(); ++i) {
    const auto c = chunks[i];
    const auto length = c.end - c.begin;
    const bool last = i + 1 == chunks.size();
    if (c.hole) {
      replies.hole(r.ticket(), c.begin, length, last);
      continue;
    }
    replies.data(r.ticket(), c.begin, length, last);
    failed = co_await output_.write(head);
    head.clear();
    const auto piece = data.empty() ? data : data.subspan(c.begin - r.offset, length);
    if (!failed) failed = co_await send_data(piece, length);
  }
  if (!failed) failed = co_await output_.write(head);
  watchdog_.rest();
  output_.end_message();
  if (failed) co_return departure::torn;
  co_return std::nullopt;
}

/// `data`, or, where there are none, so many zeroes.
awaitable<error_code> session::send_data(std::span<const std::byte> data, std::uint64_t length) {
  error_code failed;
  while (!failed && length > 0) {
    const auto piece =
        data.empty() ? io::zero_piece(length) : data.first(std::min(length, read_piece));
    failed = co_await output_.write(piece);
    length -= piece.size();
    if (!data.empty()) data = data.subspan(piece.size());
  }
  co_return failed;
}

/// Its own coroutine waits for something else, so another one sends what does not go at once.
void session::push_replies() {
  output_.try_send();
  if (output_.waiting() && !std::exchange(answering_late_, true)) scope_.spawn(send_late_answers());
}

awaitable<void> session::send_late_answers() {
  const bool sent = co_await send_replies();
  answering_late_ = false;
  if (!sent) close();
}

awaitable<bool> session::send_replies() {
  const auto error = co_await output_.send();
  co_return !error;
}

/// The client asks nothing more: what was put off is answered too.
awaitable<bool> session::answer_all() {
  if (joined) joined->answer_all(*this);
  co_return co_await send_replies();
}

}  // namespace nbdstream
