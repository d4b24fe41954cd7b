// SPDX-License-Identifier: BSD-3-Clause
#include "server/read_replies.hpp"

#include "io/zeroes.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace nbdstream {
namespace {

/// What was never named is a hole. Named zeroes are not, although they take no space: so a client
/// can tell what no request has named yet, which is what --gaps refuse goes by.
std::uint32_t flags_of(stream::state what) noexcept {
  using namespace protocol::allocation_state;
  switch (what) {
    case stream::state::unwritten: return hole | zero;
    case stream::state::zeroes: return zero;
    case stream::state::data: break;
  }
  return 0;
}

/// What is read of held data in pieces no larger than this need not wait for its turn: it costs no
/// more than the input of a connection.
constexpr std::uint64_t small_read = 256 << 10;  // bytes

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

}  // namespace

awaitable<ending> read_replies::zeroes(protocol::request r) {
  protocol::read_layout layout(r.offset, r.offset + r.length);
  layout.zeroes(r.offset, r.offset + r.length);
  co_return co_await send(r, {}, layout);
}

awaitable<ending> read_replies::held(protocol::request r, std::shared_ptr<open_stream> stream) {
  // A client that takes a large answer slowly must not keep others from small ones.
  io::fair_mutex::turn turn;
  if (r.length > small_read) turn = co_await on_.exported->readers().wait_and_enter();
  const auto memory = std::make_shared_for_overwrite<std::byte[]>(r.length);
  const std::span data(memory.get(), r.length);
  protocol::read_layout layout(r.offset, r.offset + r.length);
  const auto error = co_await stream->held().read(r.offset, data, memory, layout);
  if (error == protocol::wire_error::none) co_return co_await send(r, data, layout);
  on_.replies.add(r.reply_to(), error, "these bytes were sent meanwhile, or cannot be read again");
  co_return std::nullopt;
}

/// `data` are the bytes that were asked for, which may be missing where all of them are zeroes.
awaitable<ending> read_replies::send(protocol::request r, std::span<const std::byte> data,
                                     const protocol::read_layout& layout) {
  using protocol::form;
  const auto form_agreed = on_.replies.form();
  auto chunks = layout.chunks(r.has(protocol::command_flag::df));
  if (form_agreed == form::simple) chunks = {{r.offset, r.offset + r.length, false}};
  std::vector<std::byte> head;
  protocol::reply_writer replies(head, form_agreed);
  if (chunks.empty()) replies.nothing(r.reply_to());
  // A client that takes nothing must not keep others from reading for long.
  on_.expect_progress();
  auto failed = co_await on_.output.begin_message();
  const long_message ends(on_);
  for (std::size_t i = 0; !failed && i < chunks.size(); ++i) {
    const auto c = chunks[i];
    const auto length = c.end - c.begin;
    const bool last = i + 1 == chunks.size();
    if (c.hole) {
      replies.hole(r.reply_to(), c.begin, length, last);
      continue;
    }
    replies.data(r.reply_to(), c.begin, length, last);
    failed = co_await on_.output.write(head);
    head.clear();
    const auto piece = data.empty() ? data : data.subspan(c.begin - r.offset, length);
    if (!failed) failed = co_await send_data(piece, length);
  }
  if (!failed) failed = co_await on_.output.write(head);
  if (failed) co_return stream::disconnect::mid_request;
  co_return std::nullopt;
}

/// `data`, or, where there are none, so many zeroes.
awaitable<error_code> read_replies::send_data(std::span<const std::byte> data,
                                              std::uint64_t length) {
  if (!data.empty()) co_return co_await on_.output.write(data);
  error_code failed;
  while (!failed && length > 0) {
    const auto piece = io::zero_piece(length);
    failed = co_await on_.output.write(piece);
    length -= piece.size();
  }
  co_return failed;
}

void read_replies::status(const protocol::request& r, open_stream* stream) {
  const auto gaps =
      on_.exported->gaps_are_zeroes() ? stream::state::unwritten : stream::state::data;
  std::vector<stream::status_range> found{{r.offset + r.length, gaps}};
  if (stream) found = stream->held().status(r.offset, r.length);
  if (r.has(protocol::command_flag::req_one)) found.resize(1);
  std::vector<protocol::status_extent> extents;
  extents.reserve(found.size());
  auto at = r.offset;
  for (const auto& s : found)
    extents.push_back({s.end - std::exchange(at, s.end), flags_of(s.what)});
  on_.replies.add_status(r.reply_to(), extents);
}

}  // namespace nbdstream
