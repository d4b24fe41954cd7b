// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_PROTOCOL_STATUS_LAYOUT_HPP
#define NBDSTREAM_PROTOCOL_STATUS_LAYOUT_HPP

#include "protocol/reply.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nbdstream::protocol {

/// How the answer to a BLOCK_STATUS is cut into extents. They begin and end at multiples of 512
/// bytes where they do not reach the ends of the request: qemu-img counts in sectors, and takes one
/// in which zeroes end for zeroes. So a sector has the flags that all of its bytes have; data have
/// none.
class status_layout {
 public:
  /// Of a request for [begin, end), which is not empty: `most` extents, 1 or more.
  status_layout(std::uint64_t begin, std::uint64_t end, std::size_t most) noexcept
      : end_(end), most_(most), told_(begin), known_(begin) {}

  /// From the end of what was added up to `until` there is this. State: not complete(), and `until`
  /// is within the request.
  void add(std::uint64_t until, std::uint32_t flags);
  /// Whether nothing that could be added would change the answer.
  [[nodiscard]] bool complete() const noexcept { return full_ || known_ == end_; }
  /// Where what was added ends.
  [[nodiscard]] std::uint64_t known() const noexcept { return known_; }

  /// The answer, by what was added, which may be less than all. State: that is not nothing. Once.
  [[nodiscard]] std::vector<status_extent> take();

 private:
  void tell(std::uint64_t until, std::uint32_t flags);

  std::uint64_t end_;
  std::size_t most_;
  std::uint64_t told_;       ///< where the last extent ends
  std::uint64_t known_;      ///< behind that it may be a part of a sector,
  std::uint32_t begun_ = 0;  ///< all bytes of which have these flags
  bool full_ = false;        ///< another extent would be one too many
  std::vector<status_extent> extents_;
};

}  // namespace nbdstream::protocol
#endif
