// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_PROTOCOL_TERMS_HPP
#define NBDSTREAM_PROTOCOL_TERMS_HPP

#include "protocol/constants.hpp"

namespace nbdstream::protocol {

/// The form of what is said in the transmission phase.
enum class form : std::uint8_t {
  simple,      ///< compact requests, simple replies
  structured,  ///< compact requests; chunks for READ, BLOCK_STATUS and errors
  extended     ///< requests with 64-bit lengths; every reply in chunks with headers of 32 bytes
};

/// What the handshake agreed on, for the transmission phase.
struct terms {
  std::uint64_t size = 0;   ///< of the export, in bytes
  std::uint16_t flags = 0;  ///< transmission_flag::*, as the client was told
  form reply_form = form::simple;
  bool allocation = false;  ///< the client chose base:allocation, so BLOCK_STATUS works

  /// How long the header of a request is, in bytes.
  [[nodiscard]] std::size_t header_size() const noexcept {
    return reply_form == form::extended ? extended_request_size : request_size;
  }
};

}  // namespace nbdstream::protocol
#endif
