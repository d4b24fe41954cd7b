// SPDX-License-Identifier: BSD-3-Clause
//
// NBD_CMD_BLOCK_STATUS ("base:allocation metadata context").
#include "server/session.hpp"

#include <vector>

namespace nbdstream {
namespace {

/// What was never named is a hole. Named zeroes are not, although they take no space: so a client
/// can tell what nobody has named yet, which is what --gaps refuse goes by.
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

awaitable<session::ending> session::status(request r) {
  if (r.payload() > 0) {
    const bool arrived = co_await need_payload(payload_due_);
    if (!arrived) co_return departure::torn;
    const auto count = payload_due_;
    protocol::verdict v{wire_error::inval, false, "not a metadata context"};
    if (protocol::narrow(r, input_.front(count))) v = protocol::check_request(r, agreed_);
    use_payload(count);
    if (v.error != wire_error::none) co_return co_await refuse(r, v);
  }
  std::vector<stream::stretch> found{{r.offset + r.length, stream::state::unwritten}};
  if (const auto stream = export_->stream_of(*this)) found = stream->status(r.offset, r.length);
  if (r.has(protocol::command_flag::req_one)) found.resize(1);
  std::vector<protocol::status_extent> extents;
  auto at = r.offset;
  for (const auto& s : found)
    extents.push_back({s.end - std::exchange(at, s.end), flags_of(s.what)});
  protocol::reply_writer(output_.queue(), agreed_.said).status(r.ticket(), extents);
  co_return std::nullopt;
}

}  // namespace nbdstream
