// SPDX-License-Identifier: BSD-3-Clause
#include "source/seek_table.hpp"

#include "config/config.hpp"
#include "source/frame_content.hpp"

#include <zstd.h>

#include <fmt/format.h>
#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace nbdstream::source {
namespace {

using bytes = std::vector<std::byte>;
using seekable::frame;

constexpr std::size_t table_piece = 24 << 15;  // bytes: whole entries, of 8 or of 12

/// The longest beginning of a frame that tells the size of its content ("Frame_Header").
constexpr std::size_t longest_header = 18;  // bytes

/// The longest frame without content that is decompressed to know that it has none.
constexpr std::size_t longest_empty = 4096;  // bytes

/// In a table in which more entries than these are unlike the others, no size is more likely than
/// another one.
constexpr std::size_t most_unlike = 64;

[[noreturn]] void refuse(const source& of, const std::string& why) {
  throw config::error(fmt::format("{}: {}", of.name(), why));
}

void read_or_refuse(source& from, std::uint64_t offset, std::span<std::byte> into) {
  const auto failed = from.read(offset, into);
  if (failed) throw config::error(failed.why);
}

/// The first bytes of a frame, at most `count`.
bytes beginning(source& from, const frame& f, std::size_t count) {
  bytes head(std::min<std::size_t>(f.compressed, count));
  read_or_refuse(from, f.at, head);
  return head;
}

std::uint32_t number_at(const bytes& from, std::size_t offset) noexcept {
  return boost::endian::load_little_u32(
      reinterpret_cast<const unsigned char*>(from.data() + offset));
}

/// Whether a decompressor finds nothing in it ("Skippable Frames").
bool has_no_content(const frame& f, const bytes& head) {
  constexpr std::size_t header = 8;  // bytes
  if (head.size() >= header && (number_at(head, 0) & ~0xFU) == ZSTD_MAGIC_SKIPPABLE_START) {
    return number_at(head, 4) == f.compressed - header;
  }
  std::byte none{};
  return !head.empty() && head.size() == f.compressed &&
         ZSTD_decompress(&none, 0, head.data(), head.size()) == 0;
}

/// Whether `f` has so much content as its own beginning says, not as the table says. Then it is the
/// table that is wrong; else the frame may be, and reads of it fail.
bool is_of_another_size(source& from, const frame& f, std::uint64_t& content) {
  const auto head = beginning(from, f, longest_header);
  content = ZSTD_getFrameContentSize(head.data(), head.size());
  if (content == f.content || content > seekable::largest_read_frame) return false;
  if (f.compressed > ZSTD_compressBound(content)) return false;
  bytes whole(f.compressed);
  read_or_refuse(from, f.at, whole);
  bytes into;
  return decompress(whole, content, into).empty();
}

void check(source& from, const seekable::table& table) {
  for (const auto& f : table.without_content()) {
    if (has_no_content(f, beginning(from, f, longest_empty))) continue;
    refuse(from, fmt::format("its seek table says that the {} bytes at {} of the file have no "
                             "content, and they have: the table is corrupt",
                             f.compressed, f.at));
  }
  const auto& frames = table.frames();
  if (frames.empty()) return;
  const bool begin_alike = frames.size() > 1 && frames[0].content == frames[1].content;
  const auto usual =
      begin_alike ? frames[0].content : frames[std::min<std::size_t>(2, frames.size() - 1)].content;
  std::size_t unlike = 0;
  for (std::size_t i = 0; i < frames.size() && unlike < most_unlike; ++i) {
    if (frames[i].content == usual && i + 1 < frames.size()) continue;
    ++unlike;
    std::uint64_t content = 0;
    if (!is_of_another_size(from, frames[i], content)) continue;
    refuse(from, fmt::format("its seek table says that frame {} has {} bytes of content, and it "
                             "has {}: the table is corrupt",
                             i, frames[i].content, content));
  }
}

}  // namespace

seekable::table read_seek_table(source& from) {
  const auto file_size = from.size();
  seekable::footer footer;
  bytes piece(std::min<std::uint64_t>(file_size, seekable::footer_size));
  read_or_refuse(from, file_size - piece.size(), piece);
  auto wrong = seekable::read_footer(piece, file_size, footer);
  if (!wrong.empty()) refuse(from, wrong);
  seekable::table table(footer, file_size);
  auto at = file_size - footer.table_size();
  piece.resize(seekable::table_header_size);
  read_or_refuse(from, at, piece);
  wrong = table.take_header(piece);
  at += piece.size();
  const auto end = file_size - seekable::footer_size;
  while (wrong.empty() && at < end) {
    piece.resize(std::min<std::uint64_t>(end - at, table_piece));
    read_or_refuse(from, at, piece);
    wrong = table.take_entries(piece);
    at += piece.size();
  }
  if (wrong.empty()) wrong = table.finish();
  if (!wrong.empty()) refuse(from, wrong);
  check(from, table);
  return table;
}

}  // namespace nbdstream::source
