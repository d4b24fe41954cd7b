// SPDX-License-Identifier: BSD-3-Clause
#include "source/zstd_source.hpp"

#include "seekable/zeroes.hpp"
#include "source/frame_content.hpp"
#include "source/seek_table.hpp"

#include <zstd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace nbdstream::source {
namespace {

using seekable::frame;

constexpr std::size_t most_seen = 64;
constexpr std::size_t longest_seen = 4096;           // bytes
constexpr std::size_t compared_at_once = 256 << 10;  // bytes

/// Of so many frames it is remembered why they are corrupt.
constexpr std::size_t most_corrupt = 1000;

/// A frame of zeroes has 4 bytes for each 128 KiB, and a few more.
bool may_be_zeroes(const frame& f) noexcept {
  return f.compressed <= 64 + f.content / 4096 && f.compressed <= longest_seen;
}

/// Whether `second` may be what `first` is, and stands behind it.
bool are_alike(const frame& first, const frame& second) noexcept {
  return first.compressed == second.compressed && first.content == second.content &&
         first.at + first.compressed == second.at;
}

}  // namespace

zstd_source::zstd_source(std::shared_ptr<source> from, std::shared_ptr<frame_cache> cache)
    : from_(std::move(from)),
      table_(read_seek_table(*from_)),
      cache_(std::move(cache)),
      number_(cache_->add_source()),
      verdicts_(table_.frames().size()) {}

failure zstd_source::corrupt(std::size_t index, const std::string& why) {
  const auto& f = table_.frames()[index];
  const failure failed{EIO,
                       fmt::format("{}: frame {} is corrupt, {} bytes at {} of the file, which are "
                                   "bytes {} to {} of the disk: {}",
                                   name(), index, f.compressed, f.at, f.begin, f.end() - 1, why),
                       true};
  const std::lock_guard lock(mutex_);
  if (corrupt_.size() == most_corrupt) return failed;
  corrupt_.emplace(index, failed);
  verdicts_[index] = verdict::corrupt;
  return failed;
}

/// `compressed`: of that frame, or null.
failure zstd_source::load(std::size_t index, const bytes* compressed, bytes& into) {
  const auto& f = table_.frames()[index];
  if (f.compressed > ZSTD_compressBound(f.content)) return corrupt(index, "it is too long");
  bytes own;
  if (!compressed) {
    own.resize(f.compressed);
    auto failed = from_->read(f.at, own);
    if (failed) return failed;
    compressed = &own;
  }
  const auto why = decompress(*compressed, f.content, into);
  return why.empty() ? failure{} : corrupt(index, why);
}

failure zstd_source::get(std::size_t index, const bytes* compressed, frame_cache::bytes& content) {
  if (verdicts_[index] == verdict::corrupt) {
    const std::lock_guard lock(mutex_);
    return corrupt_.at(index);
  }
  return cache_->get(
      {number_, index}, [&](bytes& into) { return load(index, compressed, into); }, content);
}

failure zstd_source::read(std::uint64_t offset, std::span<std::byte> into) {
  for (auto i = into.empty() ? 0 : table_.frame_with(offset); !into.empty(); ++i) {
    const auto& f = table_.frames()[i];
    const auto piece = into.first(std::min<std::uint64_t>(into.size(), f.end() - offset));
    verdict found{};
    auto failed = judge(i, found);
    if (failed) return failed;
    if (found == verdict::zeroes) {
      std::ranges::fill(piece, std::byte{0});
    } else {
      frame_cache::bytes content;
      failed = get(i, nullptr, content);
      if (failed) return failed;
      std::copy_n(content->begin() + static_cast<std::ptrdiff_t>(offset - f.begin), piece.size(),
                  piece.begin());
    }
    offset += piece.size();
    into = into.subspan(piece.size());
  }
  return {};
}

/// What is known of a frame without a look into it.
zstd_source::verdict zstd_source::verdict_on(std::size_t index) const noexcept {
  const auto known = verdicts_[index].load();
  if (known != verdict::unknown) return known;
  return may_be_zeroes(table_.frames()[index]) ? verdict::unknown : verdict::data;
}

/// Zeroes are known by the compressed bytes, once such a frame was decompressed. Only a frame that
/// may be of zeroes is read for that. Not `unknown`; that a frame is corrupt is no failure here.
failure zstd_source::judge(std::size_t index, verdict& found) {
  found = verdict_on(index);
  if (found != verdict::unknown) return {};
  const auto& f = table_.frames()[index];
  std::pair key(f.content, bytes(f.compressed));
  auto failed = from_->read(f.at, key.second);
  if (failed) return failed;
  const auto keep = [&](bool zeroes) {
    verdicts_[index] = found = zeroes ? verdict::zeroes : verdict::data;
  };
  {
    const std::lock_guard lock(mutex_);
    const auto known = seen_.find(key);
    if (known != seen_.end()) return keep(known->second), failure{};
  }
  frame_cache::bytes content;
  failed = get(index, &key.second, content);
  if (failed.corrupt) return found = verdict::corrupt, failure{};
  if (failed) return failed;
  keep(seekable::is_zeroes(*content));
  const std::lock_guard lock(mutex_);
  if (seen_.size() < most_seen) seen_.emplace(std::move(key), found == verdict::zeroes);
  return {};
}

/// Compares the frames behind `index`, which begin before `until`, with it. Whether the next one is
/// the same.
bool zstd_source::learn_of_alike(std::size_t index, std::uint64_t until) {
  const auto& frames = table_.frames();
  const std::size_t length = frames[index].compressed;
  std::size_t count = 1;
  const auto goes_on = [&](std::size_t next) {
    return next < frames.size() && frames[next].begin < until &&
           are_alike(frames[next - 1], frames[next]);
  };
  while (count * length < compared_at_once && goes_on(index + count)) ++count;
  bytes all(count * length);
  if (count == 1 || from_->read(frames[index].at, all)) return false;
  std::size_t same = 1;
  while (same < count && std::memcmp(all.data(), all.data() + same * length, length) == 0) {
    verdicts_[index + same] = verdicts_[index].load();
    ++same;
  }
  return same > 1;
}

/// The last frame, beginning before `until`, of the zeroes that begin with `index`; or one before
/// it.
std::size_t zstd_source::last_of_zeroes(std::size_t index, std::uint64_t until) {
  const auto& frames = table_.frames();
  while (index + 1 < frames.size() && frames[index + 1].begin < until) {
    const auto next = verdict_on(index + 1);
    const bool same =
        next == verdict::zeroes || (next == verdict::unknown && learn_of_alike(index, until));
    if (!same) break;
    ++index;
  }
  return index;
}

failure zstd_source::look(std::uint64_t offset, std::uint64_t until, extent& found) {
  const auto& frames = table_.frames();
  auto i = table_.frame_with(offset);
  verdict what{};
  auto failed = judge(i, what);
  if (failed) return failed;
  found.what = what == verdict::zeroes ? content::hole : content::data;
  if (what == verdict::zeroes) {
    i = last_of_zeroes(i, until);
  } else {
    const auto is_data = [&](std::size_t index) {
      const auto v = verdict_on(index);
      return v == verdict::data || v == verdict::corrupt;
    };
    while (frames[i].end() < until && is_data(i + 1)) ++i;
  }
  found.end = std::min(until, frames[i].end());
  return {};
}

}  // namespace nbdstream::source
