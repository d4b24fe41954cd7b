// SPDX-License-Identifier: BSD-3-Clause
//
// The commands of the transmission phase ("Request types"), but for NBD_CMD_DISC.
#include "io/zeroes.hpp"
#include "server/session.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream {
namespace {

using protocol::command;

/// So much of a payload must be there before its request may hold up others.
constexpr std::size_t payload_head = 64 << 10;  // bytes

bool is_zero(std::span<const std::byte> data) {
  return std::ranges::all_of(data, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

awaitable<session::ending> session::refuse(request r, protocol::verdict v) {
  // One line a connection: a peer must not be able to flood the log.
  const auto level = std::exchange(refused_before_, true) ? log::level::debug : log::level::info;
  log_.line(level, fmt::format("{}: {} of {} bytes at {} refused: {}", name_,
                               protocol::name_of(r.type), r.length, r.offset, v.why));
  // A hint that is refused loses nothing; a write does, whatever its client makes of the error.
  if (r.type == command::write || r.type == command::write_zeroes) {
    const auto stream = co_await export_->join(*this);
    if (stream) stream->refuse(*this, r, 0, v.why);
  }
  if (v.disconnect) co_return departure::torn;
  const bool skipped = co_await skip_payload(r.payload());
  if (!skipped) co_return departure::torn;
  reply(r, v.error);
  co_return std::nullopt;
}

awaitable<session::ending> session::read(request r) {
  const auto error = export_->read(*this, r.offset);
  reply(r, error);
  if (error != wire_error::none || r.length == 0) co_return std::nullopt;
  // The data follow the reply at once.
  const bool sent = co_await send_replies();
  if (!sent) co_return departure::torn;
  for (auto left = r.length; left > 0;) {
    const auto piece = io::zero_piece(left);
    const auto failed = co_await connection_->write(piece);
    if (failed) co_return departure::torn;
    left -= piece.size();
  }
  co_return std::nullopt;
}

awaitable<session::ending> session::write(request r) {
  if (r.length == 0) {
    reply(r, wire_error::none);
    co_return std::nullopt;
  }
  payload_due_ = r.length;
  const auto head = std::min<std::uint64_t>(r.length, payload_head);
  bool arrived = co_await need_payload(head);
  if (!arrived) co_return departure::torn;
  const auto stream = co_await export_->join(*this);
  if (!stream) {
    const bool skipped = co_await skip_payload(r.length);
    if (!skipped) co_return departure::torn;
    reply(r, wire_error::shutdown);
    co_return std::nullopt;
  }
  auto turn = co_await stream->take_turn(*this);
  auto [error, where] = co_await stream->begin(*this, r);
  auto& left = payload_due_;
  while (error == wire_error::none && left > where.excess) {
    arrived = co_await need_payload(1);
    if (!arrived) co_return departure::torn;
    const auto piece = input_.front(left - where.excess);
    error = co_await stream->send(*this, r, piece);
    input_.consume(piece.size());
    left -= piece.size();
  }
  turn.release();
  bool zero = true;
  arrived = co_await drop_excess(left, zero);
  if (!arrived) co_return departure::torn;
  if (error == wire_error::none && !zero) {
    error = stream->refuse(*this, r, ENOSPC, "data other than zeroes beyond the size");
  }
  if (error == wire_error::none && (r.flags & protocol::command_flag::fua)) {
    error = co_await stream->flush(*this);
  }
  reply(r, error);
  co_return std::nullopt;
}

awaitable<session::ending> session::zero(request r) {
  auto error = wire_error::none;
  if (r.flags & protocol::command_flag::fast_zero) {
    error = wire_error::notsup;
  } else if (r.length > 0) {
    const auto stream = co_await export_->join(*this);
    error = wire_error::shutdown;
    if (stream) {
      {
        const auto turn = co_await stream->take_turn(*this);
        const auto started = co_await stream->begin(*this, r);
        error = started.error;
      }
      if (error == wire_error::none && (r.flags & protocol::command_flag::fua)) {
        error = co_await stream->flush(*this);
      }
    }
  }
  reply(r, error);
  co_return std::nullopt;
}

awaitable<session::ending> session::flush(request r) {
  auto error = wire_error::none;
  if (joined) error = co_await joined->flush(*this);
  reply(r, error);
  co_return std::nullopt;
}

awaitable<bool> session::need_payload(std::size_t count) {
  if (input_.size() >= count) co_return true;
  before_wait();
  // Progress pushes the deadline: each piece has the whole time.
  while (input_.size() < count) {
    watchdog_.expect_within(settings_.payload_timeout);
    const auto error = co_await input_.need(input_.size() + 1);
    if (error) co_return false;
  }
  watchdog_.rest();
  co_return true;
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
    input_.consume(piece.size());
    count -= piece.size();
  }
  co_return true;
}

}  // namespace nbdstream
