// SPDX-License-Identifier: BSD-3-Clause
//
// Requests of the transmission phase: decoded, then checked against the export, before anything
// acts on them.
#ifndef NBDSTREAM_PROTOCOL_REQUEST_HPP
#define NBDSTREAM_PROTOCOL_REQUEST_HPP

#include "protocol/constants.hpp"
#include "protocol/wire.hpp"

#include <optional>
#include <string_view>

namespace nbdstream::protocol {

struct request {
  command type = command::read;
  std::uint16_t flags = 0;   ///< command_flag::*
  std::uint64_t cookie = 0;  ///< the client's, opaque
  std::uint64_t offset = 0;  ///< bytes, as is length
  std::uint64_t length = 0;

  /// How many bytes of payload follow the header.
  [[nodiscard]] std::uint64_t payload() const noexcept {
    return type == command::write ? length : 0;
  }
  /// Whether it names bytes of the stream.
  [[nodiscard]] bool writes() const noexcept {
    return type == command::write || type == command::write_zeroes || type == command::trim;
  }
};

/// Decodes a header of `request_size` bytes; nothing where the magic is wrong, after which the
/// position in the byte stream is unknown and the connection can only be closed.
[[nodiscard]] std::optional<request> decode_request(bytes header) noexcept;

/// What the checks found.
struct verdict {
  wire_error error = wire_error::none;
  bool disconnect = false;  ///< the payload is too large to be skipped
  std::string_view why;     ///< for the log; static text
};

/// Checks `r` against an export of `size` bytes whose transmission flags are `flags`.
/// Write commands may reach up to the next multiple of 512 above `size`, since qemu-img rounds
/// sizes up; that what lies beyond `size` is zero is for the stream to check.
[[nodiscard]] verdict check_request(const request& r, std::uint64_t size,
                                    std::uint16_t flags) noexcept;

/// The name of a command for the log.
[[nodiscard]] std::string_view name_of(command type) noexcept;

}  // namespace nbdstream::protocol
#endif
