// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_READ_MESSAGE_HPP
#define NBDSTREAM_SERVER_READ_MESSAGE_HPP

#include "protocol/read_layout.hpp"
#include "server/connection.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace nbdstream {

/// A READ of no more than this need not wait until others have their memory: it costs no more than
/// the input of a connection.
inline constexpr std::uint64_t small_read = 256 << 10;  // bytes

/// Sends the answer to a READ that has succeeded, in the form that was agreed on. `data` are the
/// bytes that were asked for, which may be missing where all of them are zeroes; `layout` says
/// which are. A client that takes nothing of it for the payload's timeout is hung up on.
[[nodiscard]] awaitable<ending> send_read(connection& on, protocol::request r,
                                          std::span<const std::byte> data,
                                          const protocol::read_layout& layout);

}  // namespace nbdstream
#endif
