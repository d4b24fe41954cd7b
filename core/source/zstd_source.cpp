// SPDX-License-Identifier: BSD-3-Clause
#include "source/zstd_source.hpp"

#include "config/config.hpp"
#include "seekable/zeroes.hpp"

#include <zstd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace nbdstream::source {
namespace {

using seekable::frame;

constexpr std::size_t most_cached_frames = 64;
constexpr std::size_t most_cached_bytes = 256 << 20;  // bytes

/// A frame of zeroes has 4 bytes for each 128 KiB, and a few more.
bool may_be_zeroes(const frame& f) noexcept {
  return f.compressed <= 64 + f.content / 4096;
}

constexpr std::size_t most_seen = 64;
constexpr std::size_t longest_seen = 4096;           // bytes
constexpr std::size_t compared_at_once = 256 << 10;  // bytes

constexpr std::size_t table_piece = 24 << 15;  // bytes: whole entries, of 8 or of 12

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw config::error(fmt::format("{}: {}", name, why));
}

}  // namespace

zstd_source::zstd_source(std::shared_ptr<source> from)
    : from_(std::move(from)), table_(read_table()), cache_(most_cached_frames, most_cached_bytes) {}

seekable::table zstd_source::read_table() const {
  const auto file_size = from_->size();
  const auto read_it = [&](std::uint64_t offset, std::span<std::byte> into) {
    const auto failed = from_->read(offset, into);
    if (failed) throw config::error(failed.why);
  };
  seekable::footer footer;
  bytes piece(std::min<std::uint64_t>(file_size, seekable::footer_size));
  read_it(file_size - piece.size(), piece);
  auto wrong = seekable::read_footer(piece, file_size, footer);
  if (!wrong.empty()) refuse(name(), wrong);
  seekable::table table(footer, file_size);
  auto at = file_size - footer.table_size();
  piece.resize(seekable::table_header_size);
  read_it(at, piece);
  wrong = table.take_header(piece);
  at += piece.size();
  const auto end = file_size - seekable::footer_size;
  while (wrong.empty() && at < end) {
    piece.resize(std::min<std::uint64_t>(end - at, table_piece));
    read_it(at, piece);
    wrong = table.take_entries(piece);
    at += piece.size();
  }
  if (wrong.empty()) wrong = table.finish();
  if (!wrong.empty()) refuse(name(), wrong);
  return table;
}

failure zstd_source::corrupt(const frame& f, const std::string& why) const {
  return {EIO,
          fmt::format("{}: frame {} is corrupt, {} bytes at {} of the file, which are bytes {} "
                      "to {} of the disk: {}",
                      name(), table_.frame_with(f.begin), f.compressed, f.at, f.begin, f.end() - 1,
                      why)};
}

failure zstd_source::decompress(const frame& f, std::vector<std::byte>& into) const {
  if (f.compressed > ZSTD_compressBound(f.content)) return corrupt(f, "it is too long");
  bytes compressed(f.compressed);
  auto failed = from_->read(f.at, compressed);
  if (failed) return failed;
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  if (!context) throw std::bad_alloc();
  into.resize(f.content);
  const auto n = ZSTD_decompressDCtx(context.get(), into.data(), into.size(), compressed.data(),
                                     compressed.size());
  if (ZSTD_isError(n)) return corrupt(f, ZSTD_getErrorName(n));
  if (n != f.content) return corrupt(f, fmt::format("it has {} bytes of content", n));
  return {};
}

failure zstd_source::read(std::uint64_t offset, std::span<std::byte> into) {
  for (auto i = into.empty() ? 0 : table_.frame_with(offset); !into.empty(); ++i) {
    const auto& f = table_.frames()[i];
    const auto piece = into.first(std::min<std::uint64_t>(into.size(), f.end() - offset));
    bool zeroes = false;
    bytes compressed;
    auto failed = is_zeroes(i, zeroes, compressed);
    if (failed) return failed;
    if (zeroes) {
      std::ranges::fill(piece, std::byte{0});
    } else {
      frame_cache::bytes content;
      const frame_cache::load load = [&](auto& to) { return decompress(f, to); };
      failed = cache_.get(i, load, content);
      if (failed) return failed;
      std::copy_n(content->begin() + static_cast<std::ptrdiff_t>(offset - f.begin), piece.size(),
                  piece.begin());
    }
    offset += piece.size();
    into = into.subspan(piece.size());
  }
  return {};
}

/// Zeroes are known by the compressed bytes, once such a frame was decompressed. Only a frame that
/// may be of zeroes is read for that; `compressed` is its bytes then.
failure zstd_source::is_zeroes(std::size_t index, bool& zeroes, bytes& compressed) {
  const auto& f = table_.frames()[index];
  zeroes = false;
  if (!may_be_zeroes(f) || f.compressed > longest_seen || cache_.has(index)) return {};
  compressed.resize(f.compressed);
  auto failed = from_->read(f.at, compressed);
  if (failed) return failed;
  {
    const std::lock_guard lock(mutex_);
    const auto known = seen_.find(compressed);
    if (known != seen_.end()) {
      zeroes = known->second;
      return {};
    }
  }
  bytes content;
  failed = decompress(f, content);
  if (failed) return failed;
  zeroes = seekable::is_zeroes(content);
  const std::lock_guard lock(mutex_);
  if (seen_.size() < most_seen) seen_.emplace(compressed, zeroes);
  return {};
}

/// The last frame, beginning before `until`, of those behind `index` that stand one behind the
/// other and have the same bytes.
std::size_t zstd_source::last_like(std::size_t index, const bytes& compressed,
                                   std::uint64_t until) const {
  const auto& frames = table_.frames();
  const auto at_once = std::max<std::size_t>(compared_at_once / compressed.size(), 1);
  bytes piece;
  for (;;) {
    std::size_t count = 0;
    while (count < at_once) {
      const auto next = index + count + 1;
      if (next >= frames.size() || frames[next].begin >= until) break;
      const auto& before = frames[next - 1];
      const bool like = frames[next].compressed == before.compressed &&
                        frames[next].content == before.content &&
                        frames[next].at == before.at + before.compressed;
      if (!like) break;
      ++count;
    }
    if (count == 0) return index;
    piece.resize(count * compressed.size());
    if (from_->read(frames[index + 1].at, piece)) return index;
    for (std::size_t i = 0; i < count; ++i) {
      const auto* const one = piece.data() + i * compressed.size();
      if (std::memcmp(one, compressed.data(), compressed.size()) != 0) return index + i;
    }
    index += count;
  }
}

failure zstd_source::look(std::uint64_t offset, std::uint64_t until, extent& found) {
  const auto& frames = table_.frames();
  auto i = table_.frame_with(offset);
  bool zeroes = false;
  bytes compressed;
  auto failed = is_zeroes(i, zeroes, compressed);
  if (failed) return failed;
  found.what = zeroes ? content::hole : content::data;
  if (zeroes) {
    i = last_like(i, compressed, until);
  } else {
    while (frames[i].end() < until && !may_be_zeroes(frames[i + 1])) ++i;
  }
  found.end = std::min(until, frames[i].end());
  return {};
}

}  // namespace nbdstream::source
