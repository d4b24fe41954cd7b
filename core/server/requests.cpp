// SPDX-License-Identifier: BSD-3-Clause
#include "server/requests.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream {

using protocol::command;
namespace command_flag = protocol::command_flag;
constexpr auto disconnected = stream::disconnect::mid_request;

namespace {

/// So many writes are served as one at most, before others have their turn.
constexpr std::size_t largest_batch = 64;

}  // namespace

std::unique_ptr<service> nbd_export::serve(connection& on) {
  return std::make_unique<requests>(on, *this);
}

awaitable<ending> requests::serve(request r) {
  payload_.expect(r.payload());
  const auto checked = protocol::check_request(r, on_.agreed);
  if (checked.error != wire_error::none) co_return co_await refuse(r, checked);
  switch (r.type) {
    case command::read: co_return co_await read(r);
    case command::write: co_return co_await write(r);
    case command::trim:
    case command::write_zeroes: co_return co_await zero(r);
    case command::flush: co_return co_await flush(r);
    case command::block_status: co_return co_await status(r);
    default: break;
  }
  on_.replies.add(r.reply_to(), wire_error::none);  // NBD_CMD_CACHE, a hint
  co_return std::nullopt;
}

awaitable<void> requests::answer_all() {
  if (!on_.me.joined) co_return;
  co_await on_.me.joined->spilled();
  on_.me.joined->answer_all(on_.me);
}

// Between requests, reading finds out. In one, nothing is read while it waits for the sink, and
// where no reply can arrive the stream cannot be completed any more.
void requests::notice_hangup() {
  if (payload_.moves_unseen()) return;
  // A client that only stopped sending may still disconnect cleanly with what it sent before; and
  // where something else decides, one that does not may have done its part, too.
  const bool last_request = on_.input.size() + on_.transport->unread() <= payload_.due();
  if (last_request && export_.decided_by_disconnects()) on_.me.gone = true;
  if (on_.me.gone) export_.hung_up(on_.me);
}

void requests::fail(std::string_view why) {
  if (on_.me.joined) on_.me.joined->fail(why);
}

awaitable<void> requests::end(stream::disconnect how) {
  // Its requests must be answered before it is forgotten; of one that has vanished they are lost.
  if (on_.me.joined && how != disconnected) co_await on_.me.joined->spilled();
  export_.detach(on_.me, how);
}

awaitable<ending> requests::refuse(request r, protocol::verdict v) {
  on_.log_refusal(r, v.why);
  // A hint that is refused loses nothing; a write does, whatever its client makes of the error.
  if (r.type == command::write || r.type == command::write_zeroes) {
    const auto stream = co_await export_.join(on_.me);
    if (stream) stream->refuse(on_.me, r, 0, v.why);
  }
  if (v.disconnect) co_return disconnected;
  const auto dropped = co_await payload_.drop_rest();
  if (dropped == payload::result::connection_ended) co_return disconnected;
  on_.replies.add(r.reply_to(), v.error, v.why);
  co_return std::nullopt;
}

awaitable<ending> requests::read(request r) {
  const auto stream = export_.stream_of(on_.me);
  using readable = held_data::readable;
  auto found = export_.gaps_are_zeroes() ? readable::zeroes : readable::unknown;
  if (r.length == 0) found = readable::zeroes;
  if (stream) co_await stream->spilled();  // also what was written before and is not yet answered
  if (stream && r.length > 0) found = stream->held().look(r.offset, r.length);
  if (found == readable::data) co_return co_await reads_.held(r, stream);
  if (found == readable::zeroes) co_return co_await reads_.zeroes(r);
  std::string_view why = "these bytes were sent, and are not kept";
  std::string_view help = "; --order spool, with --format raw, keeps them";
  if (found == readable::unknown) {
    why =
        "no request has written these bytes, and an incremental stream does not have their content";
    help = "";
  } else if (stream->ended()) {
    why = "the stream has ended";
    help = "; with --run it would end with the command, not with its connections";
  }
  on_.log_refusal(r, fmt::format("{}{}", why, help));
  on_.replies.add(r.reply_to(), wire_error::io, why);
  co_return std::nullopt;
}

awaitable<ending> requests::status(request r) {
  protocol::verdict v;
  const auto arrived = co_await payload_.apply_to_status(r, v);
  if (arrived == payload::result::connection_ended) co_return disconnected;
  if (v.error != wire_error::none) co_return co_await refuse(r, v);
  const auto stream = export_.stream_of(on_.me);
  if (stream) co_await stream->spilled();
  reads_.status(r, stream.get());
  co_return std::nullopt;
}

awaitable<ending> requests::write(request r) {
  if (r.length == 0) {
    on_.replies.add(r.reply_to(), wire_error::none);
    co_return std::nullopt;
  }
  gather(r);
  if (batch_.size() > 1) co_return co_await write_batch();
  // A connection that is alone holds up no other.
  const bool others = !payload_.leaves_unread() || !export_.alone();
  const auto first = others ? std::min<std::uint64_t>(r.length, payload::head) : 0;
  // What stands behind the head may be spliced, if it is not read.
  const auto most = payload_.leaves_unread() ? payload::head : io::input::capacity;
  std::optional<nbd_export::first_write> beginning;
  if (!on_.me.joined) beginning.emplace(export_);
  const auto arrived = co_await payload_.need(first, most);
  if (arrived == payload::result::connection_ended) co_return disconnected;
  const auto stream = co_await export_.join(on_.me);
  beginning.reset();
  if (stream) co_return co_await write_to(*stream, r);
  const auto dropped = co_await payload_.drop_rest();
  if (dropped == payload::result::connection_ended) co_return disconnected;
  on_.replies.add(r.reply_to(), wire_error::shutdown);
  co_return std::nullopt;
}

awaitable<ending> requests::write_to(open_stream& to, request r) {
  auto admitted = co_await to.admit(on_.me, r);
  auto error = admitted.error;
  if (error == wire_error::none) {
    const auto delivered = co_await payload_.deliver(to, r, admitted, error);
    if (delivered == payload::result::connection_ended) co_return disconnected;
  }
  if (error != wire_error::none) admitted = {};  // others need not wait for the rest
  bool zero = true;
  const auto dropped = co_await payload_.drop_rest(zero);
  if (dropped == payload::result::connection_ended) co_return disconnected;
  if (error == wire_error::none && !zero) {
    error = to.refuse(on_.me, r, ENOSPC, "data other than zeroes beyond the size");
  }
  const bool fua = r.has(command_flag::fua);
  const bool spills = admitted.where.where == stream::placement::place::spill;
  if (fua && spills) co_await to.spilled();
  std::optional<wire_error> answer = error;
  if (error == wire_error::none) answer = to.payload_arrived(on_.me, r, std::move(admitted));
  if (answer == wire_error::none && fua) answer = co_await to.flush(on_.me);
  if (answer) on_.replies.add(r.reply_to(), *answer);
  on_.me.written += r.length;
  co_return std::nullopt;
}

/// Collects in batch_ `first` and the writes behind it that were read as a whole already, as far as
/// the stream takes them at once: what one small write costs is its calls. Nothing is consumed.
void requests::gather(const request& first) {
  batch_.clear();
  reply_to_.clear();
  if (!on_.me.joined) return;
  auto next = first;
  auto rest = on_.input.front(io::input::capacity);
  const auto header = on_.agreed.header_size();
  // In the extended form a write may have this flag; what is wrong with one is not for a batch.
  const unsigned plain = first.extended ? command_flag::payload_len : 0;
  while (next.type == command::write && (next.flags | plain) == plain && next.length > 0 &&
         next.length < payload::least_splice && next.length <= rest.size() &&
         batch_.size() < largest_batch &&
         on_.me.joined->takes_at_once(batch_, next.offset, next.length)) {
    batch_.push_back({next.offset, rest.first(next.length)});
    reply_to_.push_back(next.reply_to());
    rest = rest.subspan(next.length);
    if (rest.size() < header) break;
    const auto decoded = protocol::decode_request(rest.first(header), on_.agreed);
    rest = rest.subspan(header);
    if (!decoded) break;  // what is wrong with it is said when its turn comes
    next = *decoded;
  }
}

awaitable<ending> requests::write_batch() {
  std::uint64_t due = (batch_.size() - 1) * on_.agreed.header_size();
  for (const auto& b : batch_) {
    due += b.data.size();
    on_.me.written += b.data.size();
  }
  payload_.expect(due);
  const std::span<const encoding::piece> batch(batch_);
  const auto error = co_await on_.me.joined->write_batch(on_.me, batch);
  payload_.use(due);
  for (const auto& to : reply_to_) on_.replies.add(to, error);
  on_.without_pause += static_cast<int>(batch_.size());
  co_return std::nullopt;
}

awaitable<ending> requests::zero(request r) {
  if (r.has(command_flag::fast_zero) && !export_.zeroes_are_fast()) {
    on_.replies.add(r.reply_to(), wire_error::notsup,
                    "zeroes are sent as such, no faster than data");
    co_return std::nullopt;
  }
  auto error = wire_error::none;
  if (r.length > 0) {
    const auto stream = co_await export_.join(on_.me);
    error = wire_error::shutdown;
    if (stream) {
      auto admitted = co_await stream->admit(on_.me, r);
      error = admitted.error;
      if (error == wire_error::none) {
        error = *stream->payload_arrived(on_.me, r, std::move(admitted));
      }
      if (r.type == command::write_zeroes) on_.me.written += r.length;
      if (error == wire_error::none && r.has(command_flag::fua)) {
        error = co_await stream->flush(on_.me);
      }
    }
  }
  on_.replies.add(r.reply_to(), error);
  co_return std::nullopt;
}

awaitable<ending> requests::flush(request r) {
  auto error = wire_error::none;
  if (on_.me.joined) error = co_await on_.me.joined->flush(on_.me);
  on_.replies.add(r.reply_to(), error);
  co_return std::nullopt;
}

}  // namespace nbdstream
