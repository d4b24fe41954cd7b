// SPDX-License-Identifier: BSD-3-Clause
//
// The commands of the transmission phase ("Request types"), but for NBD_CMD_DISC.
#include "server/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace nbdstream {
namespace {

using protocol::command;

/// So much of a payload must be there before its request may hold up others.
constexpr std::size_t payload_head = 64 << 10;  // bytes

}  // namespace

/// One line a connection: a peer must not be able to flood the log.
void session::log_refusal(const request& r, std::string_view why) {
  const auto level = std::exchange(refused_before_, true) ? log::level::debug : log::level::info;
  log_.line(level, fmt::format("{}: {} of {} bytes at {} refused: {}", name_,
                               protocol::name_of(r.type), r.length, r.offset, why));
}

awaitable<session::ending> session::refuse(request r, protocol::verdict v) {
  log_refusal(r, v.why);
  // A hint that is refused loses nothing; a write does, whatever its client makes of the error.
  if (r.type == command::write || r.type == command::write_zeroes) {
    const auto stream = co_await export_->join(*this);
    if (stream) stream->refuse(*this, r, 0, v.why);
  }
  if (v.disconnect) co_return departure::torn;
  const bool skipped = co_await skip_payload(r.payload());
  if (!skipped) co_return departure::torn;
  reply(r.ticket(), v.error, v.why);
  co_return std::nullopt;
}

awaitable<session::ending> session::read(request r) {
  const auto stream = export_->stream_of(*this);
  using readable = transfer::readable;
  auto found = readable::zeroes;
  if (stream && r.length > 0) found = stream->look(r.offset, r.length);
  if (found == readable::data) co_return co_await read_held(r, stream);
  if (found == readable::sent) {
    const auto* why = "these bytes were sent, and are not kept";
    log_refusal(r, fmt::format("{}; --order spool keeps them", why));
    reply(r.ticket(), wire_error::io, why);
    co_return std::nullopt;
  }
  protocol::read_layout layout(r.offset, r.offset + r.length);
  layout.zeroes(r.offset, r.offset + r.length);
  co_return co_await reply_with_data(r, {}, layout);
}

awaitable<session::ending> session::read_held(request r, std::shared_ptr<transfer> stream) {
  before_wait();
  const auto turn = co_await export_->readers().wait_and_enter();
  std::vector<std::byte> data(r.length);
  protocol::read_layout layout(r.offset, r.offset + r.length);
  const auto error = co_await stream->read(r.offset, data, layout);
  if (error == wire_error::none) co_return co_await reply_with_data(r, data, layout);
  reply(r.ticket(), error, "these bytes were sent meanwhile, or cannot be read again");
  co_return std::nullopt;
}

awaitable<session::ending> session::write(request r) {
  if (r.length == 0) {
    reply(r.ticket(), wire_error::none);
    co_return std::nullopt;
  }
  const auto whole = gather(r);
  if (batch_.size() > 1) co_return co_await write_batch(whole);
  // Alone it holds up nobody.
  const bool others = !splicing_ || !export_->alone();
  const auto head = others ? std::min<std::uint64_t>(r.length, payload_head) : 0;
  // What stands behind the head may be spliced, if it is not read.
  bool arrived = co_await need_payload(head, splicing_ ? payload_head : io::input::capacity);
  if (!arrived) co_return departure::torn;
  const auto stream = co_await export_->join(*this);
  if (!stream) {
    const bool skipped = co_await skip_payload(r.length);
    if (!skipped) co_return departure::torn;
    reply(r.ticket(), wire_error::shutdown);
    co_return std::nullopt;
  }
  auto admitted = co_await stream->admit(*this, r);
  auto error = admitted.error;
  if (error == wire_error::none) {
    arrived = co_await deliver(*stream, r, admitted, error);
    if (!arrived) co_return departure::torn;
  }
  if (error != wire_error::none) admitted = {};  // others need not wait for the rest
  bool zero = true;
  arrived = co_await drop_excess(payload_due_, zero);
  if (!arrived) co_return departure::torn;
  if (error == wire_error::none && !zero) {
    error = stream->refuse(*this, r, ENOSPC, "data other than zeroes beyond the size");
  }
  std::optional<wire_error> answer = error;
  if (error == wire_error::none) answer = stream->done(*this, r, std::move(admitted));
  if (answer == wire_error::none && (r.flags & protocol::command_flag::fua)) {
    answer = co_await stream->flush(*this);
  }
  if (answer) reply(r.ticket(), *answer);
  co_return std::nullopt;
}

awaitable<session::ending> session::zero(request r) {
  auto error = wire_error::none;
  if ((r.flags & protocol::command_flag::fast_zero) && !export_->zeroes_are_fast()) {
    reply(r.ticket(), wire_error::notsup, "zeroes are sent as such, no faster than data");
    co_return std::nullopt;
  }
  if (r.length > 0) {
    const auto stream = co_await export_->join(*this);
    error = wire_error::shutdown;
    if (stream) {
      auto admitted = co_await stream->admit(*this, r);
      error = admitted.error;
      if (error == wire_error::none) error = *stream->done(*this, r, std::move(admitted));
      if (error == wire_error::none && (r.flags & protocol::command_flag::fua)) {
        error = co_await stream->flush(*this);
      }
    }
  }
  reply(r.ticket(), error);
  co_return std::nullopt;
}

awaitable<session::ending> session::flush(request r) {
  auto error = wire_error::none;
  if (joined) error = co_await joined->flush(*this);
  reply(r.ticket(), error);
  co_return std::nullopt;
}

}  // namespace nbdstream
