// SPDX-License-Identifier: BSD-3-Clause
//
// The seekable format of Zstandard, version 0.1.0 (contrib/seekable_format of facebook/zstd):
// frames that are compressed independently, and behind them a skippable frame with the seek table.
// Numbers are little-endian.
#ifndef NBDSTREAM_SEEKABLE_FORMAT_HPP
#define NBDSTREAM_SEEKABLE_FORMAT_HPP

#include <cstddef>
#include <cstdint>

namespace nbdstream::seekable {

inline constexpr std::uint32_t frame_magic = 0xFD2FB528;  ///< each frame begins with this
inline constexpr std::uint32_t table_magic = 0x184D2A5E;  ///< the skippable frame begins with this,
inline constexpr std::uint32_t footer_magic =
    0x8F92EAB1;  ///< and ends, as the file does, with this

inline constexpr std::size_t table_header_size = 8;  ///< the magic number, and how much follows
inline constexpr std::size_t entry_size = 8;         ///< compressed size, size of the content
inline constexpr std::size_t checksum_size = 4;      ///< follows an entry where footer bit 7 is set
inline constexpr std::size_t footer_size = 9;        ///< number of frames, a bit field, the magic

/// What the reader beside the format's description takes: no more frames, and none that is larger.
inline constexpr std::uint32_t most_frames = 0x8000000;
inline constexpr std::uint32_t largest_frame = 0x40000000;  // bytes of content

/// What we put into each frame but the last: a random read of a sector decompresses so much, and
/// the table costs 2 MiB for each TiB of the disk.
inline constexpr std::uint32_t frame_content = 4 << 20;  // bytes

/// The longest stream that fits into our frames.
inline constexpr std::uint64_t longest_stream =
    std::uint64_t{most_frames} * frame_content;  // bytes

}  // namespace nbdstream::seekable
#endif
