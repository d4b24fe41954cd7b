// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STREAM_STATUS_HPP
#define NBDSTREAM_STREAM_STATUS_HPP

#include "stream/extents.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nbdstream::stream {

/// What is known of a range of the stream.
enum class state : std::uint8_t {
  unwritten,  ///< never named
  zeroes,     ///< named as zeroes, and held
  data        ///< held; or sent, and whatever it was; or unknown
};

/// A range that ends before `end`.
struct status_range {
  std::uint64_t end;
  state what;
  bool operator==(const status_range&) const = default;
};

/// What stands in [begin, end), which is not empty, where what lies before `cursor` was sent: from
/// `begin` on, one behind the other, no two alike in succession; gaps are `gaps`. It ends early
/// where more than `most` extents would have to be looked at.
[[nodiscard]] std::vector<status_range> describe(const extents& held, std::uint64_t cursor,
                                                 std::uint64_t begin, std::uint64_t end,
                                                 std::size_t most, state gaps = state::unwritten);

}  // namespace nbdstream::stream
#endif
