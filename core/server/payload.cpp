// SPDX-License-Identifier: BSD-3-Clause
#include "server/payload.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nbdstream {

using protocol::wire_error;

namespace {

bool is_zero(std::span<const std::byte> data) {
  return std::ranges::all_of(data, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

awaitable<payload::result> payload::need(std::size_t count, std::size_t most) {
  auto& input = on_.input;
  if (input.size() >= count) co_return result::arrived;
  // Progress pushes the deadline: each piece has the whole time.
  while (input.size() < count) {
    on_.deadline.expect_within(on_.payload_timeout);
    const auto error = co_await input.need(input.size() + 1, most);
    if (error) co_return result::connection_ended;
  }
  on_.deadline.rest();
  co_return result::arrived;
}

void payload::use(std::size_t count) noexcept {
  on_.input.consume(count);
  due_ -= count;
}

awaitable<payload::result> payload::deliver(open_stream& to, const protocol::request& r,
                                            open_stream::admitted& a, wire_error& error) {
  using place = stream::placement::place;
  const auto& where = a.where;
  const bool large = r.length >= least_splice && on_.transport->socket() >= 0;
  const bool splices = where.where == place::next && to.splices();
  const bool held = where.where == place::memory || where.where == place::spill;
  unread_ = large && (splices || held);
  if (where.where == place::memory) {
    const auto received = co_await receive();
    if (!on_.me.arriving) error = wire_error::io;
    co_return received;
  }
  if (where.where == place::spill) co_return co_await spill(to, a, error);
  for (auto left = where.payload; error == wire_error::none && left > 0;) {
    if (unread_ && on_.input.size() == 0) {
      const auto spliced = co_await splice(to, r, left, error);
      if (spliced == result::connection_ended) co_return spliced;
      continue;
    }
    const auto read = co_await need(1);
    if (read == result::connection_ended) co_return read;
    const auto piece = on_.input.front(left);
    error = co_await to.send(on_.me, r, piece);
    use(piece.size());
    left -= piece.size();
  }
  co_return result::arrived;
}

/// Moves some of a payload without looking at it.
awaitable<payload::result> payload::splice(open_stream& to, const protocol::request& r,
                                           std::uint64_t& left, wire_error& error) {
  moves_unseen_ = to.splices_unseen();
  splicing_to_ = &to;
  const auto did = co_await to.splice(on_.me, r, on_.transport->socket(), left, error);
  splicing_to_ = nullptr;
  moves_unseen_ = false;
  left -= did.moved;
  due_ -= did.moved;
  if (did.unsupported) unread_ = false;
  if (did.source_empty) co_return co_await wait_for(left);
  const bool goes_on = error != wire_error::none || did.moved > 0 || did.unsupported;
  co_return goes_on ? result::arrived : result::connection_ended;
}

/// Until some of the `left` bytes of the payload are in the socket.
awaitable<payload::result> payload::wait_for(std::uint64_t left) {
  on_.expect_progress();
  const auto failed = co_await on_.transport->readable(left);
  on_.rest();
  co_return failed ? result::connection_ended : result::arrived;
}

/// Reads payload into memory, which goes where the stream fails meanwhile: nothing refers to it
/// while this waits.
awaitable<payload::result> payload::receive() {
  const auto& into = on_.me.arriving;
  auto at = into ? into->offset() : 0;
  while (into && at < into->end()) {
    if (unread_ && on_.input.size() == 0) {
      const auto read = read_from_socket(*into, at);
      if (read == error_code(asio::error::would_block)) {
        const auto arrived = co_await wait_for(into->end() - at);
        if (arrived == result::connection_ended) co_return arrived;
      } else if (read) {
        co_return result::connection_ended;
      }
      continue;
    }
    const auto read = co_await need(1);
    if (read == result::connection_ended) co_return read;
    while (into && at < into->end() && on_.input.size() > 0) {
      const auto to = into->piece(at, into->end());
      const auto from = on_.input.front(to.size());
      std::memcpy(to.data(), from.data(), from.size());
      use(from.size());
      at += from.size();
    }
  }
  co_return result::arrived;
}

awaitable<payload::result> payload::apply_to_status(protocol::request& r, protocol::verdict& v) {
  v = {};
  if (due_ == 0) co_return result::arrived;
  const auto count = due_;
  const auto arrived = co_await need(count);
  if (arrived == result::connection_ended) co_return arrived;
  v = {wire_error::inval, false, "not a metadata context"};
  if (protocol::apply_status_payload(r, on_.input.front(count))) {
    v = protocol::check_request(r, on_.agreed);
  }
  use(count);
  co_return arrived;
}

/// What the socket has of the bytes from `at` on goes to their place in `into`, without a copy.
error_code payload::read_from_socket(stream::block& into, std::uint64_t& at) {
  pieces_.clear();
  for (auto to = at; to < into.end();) {
    const auto piece = into.piece(to, into.end());
    pieces_.push_back({piece.data(), piece.size()});
    to += piece.size();
  }
  std::size_t count = 0;
  const auto error = read_from_socket(count);
  at += count;
  return error;
}

/// What the socket has goes to pieces_.
error_code payload::read_from_socket(std::size_t& count) {
  const auto read = on_.transport->read_now(pieces_);
  if (read.has_error()) return read.error();
  count = *read;
  due_ -= count;
  return count > 0 ? error_code() : error_code(asio::error::eof);
}

/// Receives payload into the memory of the stream's spill queue. A client that stalls keeps none of
/// that from others.
awaitable<payload::result> payload::spill(open_stream& to, open_stream::admitted& a,
                                          wire_error& error) {
  auto offset = a.where.begin;
  for (auto left = a.where.payload; left > 0;) {
    const bool read_ahead = !unread_ || on_.input.size() > 0;
    if (read_ahead) {
      const auto arrived = co_await need(1);
      if (arrived == result::connection_ended) co_return arrived;
    }
    auto room = co_await to.spill_room();
    if (room.empty()) {
      error = to.spill_error();
      co_return result::arrived;
    }
    room = room.first(std::min<std::uint64_t>(room.size(), left));
    std::size_t count = 0;
    if (read_ahead) {
      const auto from = on_.input.front(room.size());
      std::memcpy(room.data(), from.data(), from.size());
      count = from.size();
      use(count);
    } else {
      pieces_.assign(1, {room.data(), room.size()});
      const auto failed = read_from_socket(count);
      if (failed == error_code(asio::error::would_block)) {
        const auto arrived = co_await wait_for(left);
        if (arrived == result::connection_ended) co_return arrived;
        continue;
      }
      if (failed) co_return result::connection_ended;
    }
    a.spilled_at = to.spill(offset, count);
    offset += count;
    left -= count;
  }
  co_return result::arrived;
}

awaitable<payload::result> payload::drop_rest() {
  bool ignored = true;
  co_return co_await drop_rest(ignored);
}

awaitable<payload::result> payload::drop_rest(bool& all_zero) {
  while (due_ > 0) {
    const auto read = co_await need(1);
    if (read == result::connection_ended) co_return read;
    const auto piece = on_.input.front(due_);
    if (all_zero) all_zero = is_zero(piece);
    use(piece.size());
  }
  co_return result::arrived;
}

}  // namespace nbdstream
