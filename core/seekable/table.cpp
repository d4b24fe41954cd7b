// SPDX-License-Identifier: BSD-3-Clause
#include "seekable/table.hpp"

#include <fmt/format.h>
#include <boost/endian/conversion.hpp>

#include <algorithm>

namespace nbdstream::seekable {
namespace {

constexpr auto checksum_flag = std::byte{0x80};
constexpr auto reserved_bits = std::byte{0x7C};

std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  const auto* const from = reinterpret_cast<const unsigned char*>(bytes.data() + offset);
  return boost::endian::load_little_u32(from);
}

}  // namespace

std::string read_footer(std::span<const std::byte> last, std::uint64_t file_size, footer& into) {
  if (last.size() != footer_size || number_at(last, 5) != footer_magic) {
    return "it has no seek table at its end: it is not whole, or was not made with --compress; "
           "serve what zstd -d makes of it";
  }
  if ((last[4] & reserved_bits) != std::byte{0}) return "its seek table is of a later format";
  into.frames = number_at(last, 0);
  into.entry = entry_size;
  if ((last[4] & checksum_flag) != std::byte{0}) into.entry += checksum_size;
  if (into.frames > most_frames || into.table_size() > file_size) {
    return fmt::format("its seek table says that it has {} frames, for which it is too short",
                       into.frames);
  }
  return {};
}

std::string table::take_header(std::span<const std::byte> header) const {
  const bool fits = header.size() == table_header_size && number_at(header, 0) == table_magic &&
                    number_at(header, 4) == footer_.table_size() - table_header_size;
  return fits ? "" : "its seek table does not begin where its end says";
}

std::string table::take_entries(std::span<const std::byte> entries) {
  for (; entries.size() >= footer_.entry; entries = entries.subspan(footer_.entry)) {
    const frame f{at_, size_, number_at(entries, 0), number_at(entries, 4)};
    if (f.content > largest_read_frame) {
      return fmt::format("its frame {} has {} bytes of content; frames of at most {} can be read",
                         entries_, f.content, largest_read_frame);
    }
    if (f.content > 0 && f.compressed == 0) {
      return fmt::format("its frame {} has content, and no bytes", entries_);
    }
    (f.content > 0 ? frames_ : without_content_).push_back(f);
    ++entries_;
    at_ += f.compressed;
    size_ += f.content;
  }
  return {};
}

std::string table::finish() const {
  if (entries_ == footer_.frames && at_ + footer_.table_size() == file_size_) return {};
  return fmt::format("its seek table is of {} bytes of frames, and it has {}", at_,
                     file_size_ - footer_.table_size());
}

std::size_t table::frame_with(std::uint64_t offset) const noexcept {
  const auto behind = std::ranges::upper_bound(frames_, offset, {}, &frame::begin);
  return static_cast<std::size_t>(behind - frames_.begin()) - 1;
}

}  // namespace nbdstream::seekable
