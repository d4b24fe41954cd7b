// SPDX-License-Identifier: BSD-3-Clause
//
// How the payload of a write gets from the connection to its place.
#include "server/session.hpp"

#include <algorithm>
#include <cstring>

namespace nbdstream {
namespace {

/// Payload goes to the spill file in pieces of this size, each a call of its own thread.
constexpr std::uint64_t spill_piece = 128 << 10;  // bytes

bool is_zero(std::span<const std::byte> data) {
  return std::ranges::all_of(data, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

/// Moves the payload to where it belongs.
awaitable<bool> session::deliver(transfer& to, const request& r, transfer::admitted& a,
                                 wire_error& error) {
  using place = stream::placement::place;
  const auto& where = a.where;
  splicing_ = where.where == place::next && r.length >= least_splice && to.splices() &&
              connection_->socket() >= 0;
  if (where.where == place::memory) {
    const bool arrived = co_await receive(std::exchange(a.where.block, nullptr));
    a.where.block = std::exchange(arriving_, nullptr);
    if (!a.where.block) error = wire_error::io;
    co_return arrived;
  }
  const bool spills = where.where == place::spill;
  auto offset = where.begin;
  for (auto left = where.payload; error == wire_error::none && left > 0;) {
    if (splicing_ && input_.size() == 0) {
      const bool more = co_await splice(to, r, left, error);
      if (!more) co_return false;
      continue;
    }
    const bool arrived = co_await need_payload(spills ? std::min(left, spill_piece) : 1);
    if (!arrived) co_return false;
    const auto piece = input_.front(left);
    if (spills) {
      error = co_await to.spill(*this, r, offset, piece);
    } else {
      error = co_await to.send(*this, r, piece);
    }
    use_payload(piece.size());
    offset += piece.size();
    left -= piece.size();
  }
  co_return true;
}

/// Moves some of a payload without looking at it.
awaitable<bool> session::splice(transfer& to, const request& r, std::uint64_t& left,
                                wire_error& error) {
  moving_unseen_ = to.splices_unseen();
  const auto result = co_await to.splice(*this, r, connection_->socket(), left);
  const bool unseen = std::exchange(moving_unseen_, false);
  const auto& did = result.did;
  error = result.error;
  left -= did.moved;
  payload_due_ -= did.moved;
  if (unseen) notice_absence();
  if (did.refused) splicing_ = false;
  if (did.starved) {
    before_wait();
    watchdog_.expect_within(settings_.payload_timeout);
    unread_ = connection_->unread();
    const auto failed = co_await connection_->readable(left);
    watchdog_.rest();
    unread_.reset();
    co_return !failed;
  }
  co_return error != wire_error::none || did.moved > 0 || did.refused;
}

awaitable<bool> session::need_payload(std::size_t count, std::size_t most) {
  if (input_.size() >= count) co_return true;
  before_wait();
  // Progress pushes the deadline: each piece has the whole time.
  while (input_.size() < count) {
    watchdog_.expect_within(settings_.payload_timeout);
    const auto error = co_await input_.need(input_.size() + 1, most);
    if (error) co_return false;
  }
  watchdog_.rest();
  co_return true;
}

/// Reads payload into memory of its own, which goes where the stream fails meanwhile: nothing
/// refers to it while this waits.
awaitable<bool> session::receive(stream::block_ptr into) {
  arriving_ = std::move(into);
  for (std::size_t done = 0; arriving_ && done < arriving_->bytes().size();) {
    const bool arrived = co_await need_payload(1);
    if (!arrived) co_return false;
    if (!arriving_) break;
    const auto left = arriving_->bytes().subspan(done);
    const auto piece = input_.front(left.size());
    std::memcpy(left.data(), piece.data(), piece.size());
    use_payload(piece.size());
    done += piece.size();
  }
  co_return true;
}

void session::use_payload(std::size_t count) {
  input_.consume(count);
  payload_due_ -= count;
}

awaitable<bool> session::skip_payload(std::uint64_t count) {
  bool ignored = true;
  co_return co_await drop_excess(count, ignored);
}

awaitable<bool> session::drop_excess(std::uint64_t count, bool& all_zero) {
  while (count > 0) {
    const bool arrived = co_await need_payload(1);
    if (!arrived) co_return false;
    const auto piece = input_.front(count);
    if (all_zero) all_zero = is_zero(piece);
    use_payload(piece.size());
    count -= piece.size();
  }
  co_return true;
}

}  // namespace nbdstream
