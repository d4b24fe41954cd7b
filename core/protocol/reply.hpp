// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_PROTOCOL_REPLY_HPP
#define NBDSTREAM_PROTOCOL_REPLY_HPP

#include "protocol/constants.hpp"
#include "protocol/wire.hpp"

namespace nbdstream::protocol {

/// Appends a "Simple reply message". After one without an error to NBD_CMD_READ, the data follow.
inline void append_simple_reply(std::vector<std::byte>& out, std::uint64_t cookie,
                                wire_error error) {
  writer(out).put(simple_reply_magic).put(static_cast<std::uint32_t>(error)).put(cookie);
}

}  // namespace nbdstream::protocol
#endif
