// SPDX-License-Identifier: BSD-3-Clause
#include "server/read_message.hpp"

#include "io/zeroes.hpp"

#include <vector>

namespace nbdstream {
namespace {

/// Ends a message of output::begin_message(), whatever comes.
class long_message {
 public:
  explicit long_message(connection& on) noexcept : on_(on) {}
  ~long_message() {
    on_.rest();
    on_.output.end_message();
  }
  long_message(const long_message&) = delete;
  long_message& operator=(const long_message&) = delete;

 private:
  connection& on_;
};

/// `data`, or, where there are none, so many zeroes.
awaitable<error_code> send_data(io::output& to, std::span<const std::byte> data,
                                std::uint64_t length) {
  if (!data.empty()) co_return co_await to.write(data);
  error_code failed;
  while (!failed && length > 0) {
    const auto piece = io::zero_piece(length);
    failed = co_await to.write(piece);
    length -= piece.size();
  }
  co_return failed;
}

}  // namespace

awaitable<ending> send_read(connection& on, protocol::request r, std::span<const std::byte> data,
                            const protocol::read_layout& layout) {
  using protocol::form;
  const auto form_agreed = on.replies.form();
  auto chunks = layout.chunks(r.has(protocol::command_flag::df));
  if (form_agreed == form::simple) chunks = {{r.offset, r.offset + r.length, false}};
  std::vector<std::byte> head;
  protocol::reply_writer replies(head, form_agreed);
  if (chunks.empty()) replies.nothing(r.reply_to());
  // A client that takes nothing must not keep others from reading for long.
  on.expect_progress(connection::moving::reply);
  auto failed = co_await on.output.begin_message();
  // Another message may have ended before this one, and its deadline.
  on.expect_progress(connection::moving::reply);
  const long_message ends(on);
  for (std::size_t i = 0; !failed && i < chunks.size(); ++i) {
    const auto c = chunks[i];
    const auto length = c.end - c.begin;
    const bool last = i + 1 == chunks.size();
    if (c.hole) {
      replies.hole(r.reply_to(), c.begin, length, last);
      continue;
    }
    replies.data(r.reply_to(), c.begin, length, last);
    failed = co_await on.output.write(head);
    head.clear();
    const auto piece = data.empty() ? data : data.subspan(c.begin - r.offset, length);
    if (!failed) failed = co_await send_data(on.output, piece, length);
  }
  if (!failed) failed = co_await on.output.write(head);
  if (failed) co_return stream::disconnect::mid_request;
  co_return std::nullopt;
}

}  // namespace nbdstream
