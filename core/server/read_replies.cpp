// SPDX-License-Identifier: BSD-3-Clause
#include "server/read_replies.hpp"

#include "protocol/status_layout.hpp"
#include "server/export.hpp"
#include "server/read_message.hpp"

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

}  // namespace

awaitable<ending> read_replies::zeroes(protocol::request r) {
  protocol::read_layout layout(r.offset, r.offset + r.length);
  layout.zeroes(r.offset, r.offset + r.length);
  co_return co_await send_read(on_, r, {}, layout);
}

awaitable<ending> read_replies::held(protocol::request r, std::shared_ptr<open_stream> stream) {
  // A client that takes a large answer slowly must not keep others from small ones.
  io::fair_mutex::turn turn;
  if (r.length > small_read) turn = co_await export_.readers().wait_and_enter();
  const auto memory = std::make_shared_for_overwrite<std::byte[]>(r.length);
  const std::span data(memory.get(), r.length);
  protocol::read_layout layout(r.offset, r.offset + r.length);
  const auto error = co_await stream->held().read(r.offset, data, memory, layout);
  if (error == protocol::wire_error::none) co_return co_await send_read(on_, r, data, layout);
  on_.replies.add(r.reply_to(), error, "these bytes were sent meanwhile, or cannot be read again");
  co_return std::nullopt;
}

void read_replies::status(const protocol::request& r, open_stream* stream) {
  const auto gaps = export_.gaps_are_zeroes() ? stream::state::unwritten : stream::state::data;
  std::vector<stream::status_range> found{{r.offset + r.length, gaps}};
  if (stream) found = stream->held().status(r.offset, r.length);
  const std::size_t most = r.has(protocol::command_flag::req_one) ? 1 : found.size();
  protocol::status_layout layout(r.offset, r.offset + r.length, most);
  for (const auto& s : found) {
    if (layout.complete()) break;
    layout.add(s.end, flags_of(s.what));
  }
  on_.replies.add_status(r.reply_to(), layout.take());
}

}  // namespace nbdstream
