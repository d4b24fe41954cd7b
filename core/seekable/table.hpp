// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SEEKABLE_TABLE_HPP
#define NBDSTREAM_SEEKABLE_TABLE_HPP

#include "seekable/format.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nbdstream::seekable {

/// The most content that we take in one frame, since each read of it decompresses all of it.
inline constexpr std::uint32_t largest_read_frame = 64 << 20;  // bytes

/// What the last bytes of a file say.
struct footer {
  std::uint32_t frames = 0;
  std::size_t entry = entry_size;  ///< bytes of each entry

  /// The whole of the table's skippable frame, in bytes.
  [[nodiscard]] std::uint64_t table_size() const noexcept {
    return table_header_size + std::uint64_t{frames} * entry + footer_size;
  }
};

/// Reads the last `footer_size` bytes of a file of so many bytes. Returns what is wrong with them,
/// as a part of a sentence; empty: nothing.
[[nodiscard]] std::string read_footer(std::span<const std::byte> last, std::uint64_t file_size,
                                      footer& into);

/// A frame, by its entry.
struct frame {
  std::uint64_t at = 0;     ///< where it stands in the file, in bytes;
  std::uint64_t begin = 0;  ///< and its content in all of the content
  std::uint32_t compressed = 0;
  std::uint32_t content = 0;

  [[nodiscard]] std::uint64_t end() const noexcept { return begin + content; }
};

/// Where the frames of a file are: from its seek table, whose bytes may be anything.
class table {
 public:
  /// Of a file of so many bytes. State: read_footer() has found `f`.
  table(const footer& f, std::uint64_t file_size) noexcept : footer_(f), file_size_(file_size) {}

  /// These return what is wrong, as a part of a sentence; empty: nothing. First the first
  /// table_header_size bytes of the table's skippable frame,
  [[nodiscard]] std::string take_header(std::span<const std::byte> header) const;
  /// then all entries, in pieces of whole ones,
  [[nodiscard]] std::string take_entries(std::span<const std::byte> entries);
  /// then nothing more.
  [[nodiscard]] std::string finish() const;

  /// Those that have content.
  [[nodiscard]] const std::vector<frame>& frames() const noexcept { return frames_; }
  /// Those that, by their entries, have none.
  [[nodiscard]] const std::vector<frame>& without_content() const noexcept {
    return without_content_;
  }
  /// Of the content, in bytes.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// The index of the frame with this byte. State: offset < size().
  [[nodiscard]] std::size_t frame_with(std::uint64_t offset) const noexcept;

 private:
  footer footer_;
  std::uint64_t file_size_;
  std::vector<frame> frames_;
  std::vector<frame> without_content_;
  std::uint64_t entries_ = 0;  ///< that were taken
  std::uint64_t at_ = 0;       ///< where the next frame stands in the file
  std::uint64_t size_ = 0;
};

}  // namespace nbdstream::seekable
#endif
