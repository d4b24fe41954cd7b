// SPDX-License-Identifier: BSD-3-Clause
//
// Small writes that came together, each beginning where the one before it ended, are served as one:
// what one small write costs is its calls.
#include "io/parts.hpp"
#include "server/session.hpp"

namespace nbdstream {
namespace {

/// So many at most, before others have their turn.
constexpr std::size_t largest_batch = 64;

}  // namespace

/// Collects in batch_ `first` and the writes behind it that were read as a whole already, as far as
/// the stream takes them at once. Nothing is consumed. Returns all of them as one request.
session::request session::gather(const request& first) {
  batch_.clear();
  request whole = first;
  whole.length = 0;
  if (!joined) return whole;
  auto next = first;
  auto rest = input_.front(io::input::capacity);
  const auto header = agreed_.header_size();
  // In the extended form a write may have this flag; what is wrong with one is not for a batch.
  const unsigned plain = first.extended ? protocol::command_flag::payload_len : 0;
  while (next.type == protocol::command::write && (next.flags | plain) == plain &&
         next.length > 0 && next.length < least_splice && next.length <= rest.size() &&
         batch_.size() < largest_batch &&
         joined->takes_at_once(first.offset, whole.length + next.length)) {
    batch_.push_back({next.ticket(), rest.first(next.length)});
    whole.length += next.length;
    rest = rest.subspan(next.length);
    if (rest.size() < header) break;
    const auto decoded = protocol::decode_request(rest.first(header), agreed_);
    rest = rest.subspan(header);
    // What is wrong with it is said when its turn comes.
    if (!decoded || decoded->offset != whole.offset + whole.length) break;
    next = *decoded;
  }
  return whole;
}

awaitable<session::ending> session::write_batch(request whole) {
  const auto headers = (batch_.size() - 1) * agreed_.header_size();
  payload_due_ = whole.length + headers;
  auto admitted = co_await joined->admit(*this, whole);
  auto error = admitted.error;
  if (error == wire_error::none) {
    parts_.clear();
    for (const auto& b : batch_) parts_.push_back(io::part_of(b.payload));
    const std::span<iovec> parts(parts_);
    error = co_await joined->send_parts(*this, whole, parts);
  }
  if (error == wire_error::none) {
    const auto answer = joined->done(*this, whole, std::move(admitted));
    error = answer.value_or(wire_error::none);
  }
  use_payload(payload_due_);
  for (const auto& b : batch_) reply(b.of, error);
  without_pause_ += static_cast<int>(batch_.size());
  co_return std::nullopt;
}

}  // namespace nbdstream
