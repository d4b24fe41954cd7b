// SPDX-License-Identifier: BSD-3-Clause
//
// The records of an "rbd diff v1" stream, as bytes: docs.ceph.com, dev/rbd-diff. All numbers are
// little-endian.
//
//   "rbd diff v1\n"                    once, at the beginning
//   'f' le32 length, name              the snapshot that it begins from; none: a full diff
//   't' le32 length, name              the snapshot that it leads to
//   's' le64 size                      of the disk, in bytes
//   'w' le64 offset, le64 length, data in any order; a later record wins over an earlier one
//   'z' le64 offset, le64 length       zeroes
//   'e'                                the end, without which the diff is broken
#ifndef NBDSTREAM_DIFF_RECORDS_HPP
#define NBDSTREAM_DIFF_RECORDS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::diff {

inline constexpr std::string_view magic = "rbd diff v1\n";

enum class tag : char {
  from_snapshot = 'f',
  to_snapshot = 't',
  size = 's',
  data = 'w',
  zeroes = 'z',
  end = 'e'
};

/// A name is longer in no diff.
inline constexpr std::size_t longest_name = 4096;  // bytes

/// What stands before the first record of data.
struct header {
  std::optional<std::string> from;  ///< none: a full diff
  std::optional<std::string> to;
  std::uint64_t size = 0;  ///< of the disk, in bytes

  friend bool operator==(const header&, const header&) = default;
};

/// The header as bytes.
[[nodiscard]] std::vector<std::byte> encode(const header& h);

/// A record of data or zeroes without its payload.
inline constexpr std::size_t record_size = 17;  // bytes
[[nodiscard]] std::array<std::byte, record_size> encode_data(std::uint64_t offset,
                                                             std::uint64_t length);
[[nodiscard]] std::array<std::byte, record_size> encode_zeroes(std::uint64_t offset,
                                                               std::uint64_t length);

inline constexpr auto encoded_end = static_cast<std::byte>(tag::end);

}  // namespace nbdstream::diff
#endif
