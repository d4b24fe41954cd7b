// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_PROTOCOL_ERROR_HPP
#define NBDSTREAM_PROTOCOL_ERROR_HPP

#include "protocol/constants.hpp"

#include <string_view>

namespace nbdstream::protocol {

/// The one map from errno to what a reply may say (doc/proto.md, "Error values"). Where the
/// protocol has no word for an error (EPIPE and most others) it is an I/O error.
/// NBD_EOVERFLOW and NBD_ENOTSUP are never produced: the protocol reserves them for situations
/// that only the request itself can create, so the place that sees those names them directly.
[[nodiscard]] wire_error to_wire_error(int error_number) noexcept;

/// What to tell a client of an error where nothing better is known.
[[nodiscard]] std::string_view text_of(wire_error error) noexcept;

}  // namespace nbdstream::protocol
#endif
