// SPDX-License-Identifier: BSD-3-Clause
//
// Replies of the transmission phase, in the form that was agreed on ("Simple reply message",
// "Structured reply chunk message", "Extended reply chunk message").
#ifndef NBDSTREAM_PROTOCOL_REPLY_HPP
#define NBDSTREAM_PROTOCOL_REPLY_HPP

#include "protocol/terms.hpp"
#include "protocol/wire.hpp"

#include <span>
#include <string_view>

namespace nbdstream::protocol {

/// What a reply repeats of its request.
struct cookie {
  std::uint64_t value = 0;
  std::uint64_t offset = 0;  ///< extended replies only
};

/// One range of an answer to BLOCK_STATUS.
struct status_extent {
  std::uint64_t length = 0;  ///< bytes, 1 or more; below 2^32 unless the form is extended
  std::uint32_t flags = 0;   ///< allocation_state::*
  bool operator==(const status_extent&) const = default;
};

/// Appends replies, or the beginnings of replies with data, to a buffer.
class reply_writer {
 public:
  reply_writer(std::vector<std::byte>& out, form as) noexcept : out_(out), form_(as) {}

  /// Success of anything but READ and BLOCK_STATUS.
  void success(const cookie& of);
  /// The end of a reply to READ that has no content. Form: not simple.
  void nothing(const cookie& of);
  /// An error, which is not `none`, for any request; `text` is cut at 4096 bytes.
  void failure(const cookie& of, wire_error error, std::string_view text);

  /// READ: `length` bytes from `offset` on, which follow at once. `last`: nothing follows them.
  /// In the simple form it is the head of the one reply there is.
  void data(const cookie& of, std::uint64_t offset, std::uint64_t length, bool last);
  /// READ: `length` bytes from `offset` on are zeroes. Form: not simple.
  void hole(const cookie& of, std::uint64_t offset, std::uint64_t length, bool last);

  /// BLOCK_STATUS: what stands from the offset of the request on, of base:allocation. Form: not
  /// simple; at least one extent.
  void status(const cookie& of, std::span<const status_extent> extents);

 private:
  writer chunk(const cookie& of, chunk_type type, std::uint64_t payload, bool last);

  std::vector<std::byte>& out_;
  form form_;
};

}  // namespace nbdstream::protocol
#endif
