// SPDX-License-Identifier: BSD-3-Clause
#include "server/held_data.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstring>

namespace nbdstream {

using protocol::wire_error;
using stream::content;

namespace {

/// Held memory is sent, and free again, in pieces of about this size.
constexpr std::size_t memory_at_once = 1 << 20;  // bytes
constexpr std::size_t pieces_at_once = 256;

/// So many extents are looked at before others have their turn.
constexpr int extents_at_once = 1000;

/// Where the spill has no file of its own: copied in pieces of this size.
constexpr std::size_t copy_piece = 256 << 10;  // bytes

}  // namespace

awaitable<sink::failure> held_data::send_next() {
  if (order_.memory_at_cursor()) co_return co_await send_memory();
  const auto step = order_.next();
  if (step->zeroes > 0) {
    zeroes_ += step->zeroes;
    co_return co_await encoder_.write_zeroes(step->zeroes_begin, step->zeroes);
  }
  const auto length = step->held.end - step->held.begin;
  sent_ += length;
  spilled_ += length;
  co_return co_await send_spilled(step->held);
}

/// Sends what is next as long as it is in memory, many pieces with one call.
awaitable<sink::failure> held_data::send_memory() {
  std::size_t bytes = 0;
  while (order_.memory_at_cursor() && bytes < memory_at_once && pieces_.size() < pieces_at_once) {
    auto step = order_.next();
    const auto& e = step->held;
    for (auto at = e.begin; at < e.end; at = pieces_.back().offset + pieces_.back().data.size()) {
      pieces_.push_back({at, e.block->piece(at, e.end)});
    }
    bytes += e.end - e.begin;
    blocks_.push_back(std::move(step->held.block));
  }
  sent_ += bytes;
  const std::span<const encoding::piece> pieces(pieces_);
  auto failed = co_await encoder_.write_pieces(pieces);
  pieces_.clear();
  blocks_.clear();
  co_return failed;
}

awaitable<sink::failure> held_data::send_spilled(const stream::extent& e) {
  auto failed = co_await encoder_.begin_data(e.begin, e.end - e.begin);
  if (failed) co_return failed;
  if (spill_.descriptor() >= 0) {
    failed = co_await encoder_.write_file(spill_.descriptor(), e.begin, e.end - e.begin);
  } else {
    const auto buffer = std::make_shared_for_overwrite<std::byte[]>(copy_piece);
    for (auto at = e.begin; at < e.end && !failed;) {
      const std::span piece(buffer.get(), std::min<std::uint64_t>(copy_piece, e.end - at));
      const auto error = co_await spill_.read(at, piece, buffer);
      if (error) co_return sink::failure{error, "reading the spill file: " + error.message()};
      failed = co_await encoder_.write(piece);
      at += piece.size();
    }
  }
  if (failed) co_return failed;
  // Until the reader of the stream has taken them, its pipe may hold references to the file's
  // pages.
  const auto cursor = order_.cursor();
  co_await spill_.give_back_before(cursor - std::min(cursor, sink_.in_transit()));
  co_return failed;
}

held_data::readable held_data::look(std::uint64_t offset, std::uint64_t length) const {
  if (dropped_ || offset < order_.cursor()) return readable::sent;
  const auto& held = order_.held();
  int looked_at = 0;
  auto known_to = offset;
  for (auto e = held.at_or_after(offset); e && e->begin < offset + length;
       e = held.at_or_after(e->end)) {
    if (e->what == content::sent) return readable::sent;
    if (!gaps_are_zeroes_ && e->begin > known_to) return readable::unknown;
    if (e->carries_data() || ++looked_at > extents_at_once) return readable::data;
    known_to = e->end;
  }
  return gaps_are_zeroes_ || known_to >= offset + length ? readable::zeroes : readable::unknown;
}

std::vector<stream::status_range> held_data::status(std::uint64_t offset,
                                                    std::uint64_t length) const {
  const auto end = offset + length;
  const auto sent = dropped_ ? end : order_.cursor();
  const auto gaps = gaps_are_zeroes_ ? stream::state::unwritten : stream::state::data;
  return stream::describe(order_.held(), sent, offset, end, extents_at_once, gaps);
}

awaitable<wire_error> held_data::read(std::uint64_t offset, std::span<std::byte> into,
                                      std::shared_ptr<void> owner, protocol::read_layout& layout) {
  const auto end = offset + into.size();
  int looked_at = 0;
  for (auto at = offset; at < end;) {
    if (++looked_at % extents_at_once == 0) co_await asio::post(asio::use_awaitable);
    if (dropped_ || at < order_.cursor()) co_return wire_error::io;
    const auto e = order_.held().at_or_after(at);
    const bool gap = !e || e->begin > at;
    if (gap ? !gaps_are_zeroes_ : e->what == content::sent) co_return wire_error::io;
    const bool held = !gap && e->carries_data();
    const auto until = std::min(end, !e ? end : e->begin > at ? e->begin : e->end);
    const auto piece = into.subspan(at - offset, until - at);
    if (!held) {
      std::ranges::fill(piece, std::byte{0});
      layout.zeroes(at, until);
    } else if (e->what == content::memory) {
      for (auto from = at; from < until;) {
        const auto held_piece = e->block->piece(from, until);
        std::memcpy(piece.data() + (from - at), held_piece.data(), held_piece.size());
        from += held_piece.size();
      }
    } else {
      const auto error = co_await spill_.read(at, piece, owner);
      if (error) co_return wire_error::io;
    }
    at = until;
  }
  // What was sent meanwhile may have been given back before it was read.
  co_return offset < order_.cursor() ? wire_error::io : wire_error::none;
}

void held_data::drop() {
  dropped_ = true;
  order_.drop();
}

}  // namespace nbdstream
