// SPDX-License-Identifier: BSD-3-Clause
//
// Requests of the transmission phase: decoded, then checked against the export, before anything
// acts on them.
#ifndef NBDSTREAM_PROTOCOL_REQUEST_HPP
#define NBDSTREAM_PROTOCOL_REQUEST_HPP

#include "protocol/reply.hpp"
#include "protocol/terms.hpp"
#include "protocol/wire.hpp"

#include <optional>
#include <string_view>

namespace nbdstream::protocol {

struct request {
  command type = command::read;
  std::uint16_t flags = 0;   ///< command_flag::*
  std::uint64_t cookie = 0;  ///< the client's, opaque
  std::uint64_t offset = 0;  ///< bytes, as is length
  std::uint64_t length = 0;  ///< of the payload where there is one, else of what it is about
  bool extended = false;     ///< it had an extended header

  [[nodiscard]] bool has(std::uint16_t flag) const noexcept { return flags & flag; }
  /// How many bytes of payload follow the header. With extended headers a WRITE should say that it
  /// has one; QEMU 10 does not, and sends it.
  [[nodiscard]] std::uint64_t payload() const noexcept {
    const bool carries = type == command::write || (extended && has(command_flag::payload_len));
    return carries ? length : 0;
  }
  /// Whether it names bytes of the stream.
  [[nodiscard]] bool writes() const noexcept {
    return type == command::write || type == command::write_zeroes || type == command::trim;
  }
  /// What its reply repeats.
  [[nodiscard]] protocol::cookie reply_to() const noexcept { return {cookie, offset}; }
};

/// Decodes a header of `agreed.header_size()` bytes; nothing where the magic is wrong, after which
/// the position in the byte stream is unknown and the connection can only be closed.
[[nodiscard]] std::optional<request> decode_request(bytes header, const terms& agreed) noexcept;

/// What the checks found.
struct verdict {
  wire_error error = wire_error::none;
  bool disconnect = false;  ///< its payload is too large to be skipped, or of unknown length
  std::string_view why{};   ///< for the log and the client; static text
};

/// Checks `r` against what was agreed on. Write commands may reach up to the next multiple of 512
/// above the size, since qemu-img rounds sizes up; that what lies beyond the size is zero is for
/// the stream to check. A BLOCK_STATUS with a payload is to be checked again without it: see
/// apply_status_payload().
[[nodiscard]] verdict check_request(const request& r, const terms& agreed) noexcept;

/// A BLOCK_STATUS may carry the length that it is about and the metadata contexts that are asked
/// for, in a payload of this size where there is one context.
inline constexpr std::size_t status_payload_size = 8 + 4;  // bytes

/// Makes `r`, a BLOCK_STATUS with this payload, one without that asks for the same. Returns whether
/// the payload names our one context, once.
[[nodiscard]] bool apply_status_payload(request& r, bytes payload) noexcept;

/// The name of a command for the log.
[[nodiscard]] std::string_view name_of(command type) noexcept;

}  // namespace nbdstream::protocol
#endif
