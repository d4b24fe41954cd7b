// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_CLIENT_HPP
#define NBDSTREAM_SERVER_CLIENT_HPP

#include "server/reply_queue.hpp"
#include "stream/window.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace nbdstream {

class open_stream;

/// One connection, as the stream that it writes knows it. Owned by the session.
struct client {
  std::uint64_t id;
  std::string name;  ///< for the log: "connection 3"
  reply_queue& replies;

  /// The stream that it joined with its first write, for as long as it is connected.
  std::shared_ptr<open_stream> joined{};

  /// What the payload of its request is received into, where it is held in memory. A stream that
  /// fails takes it away: then the payload is dropped.
  stream::block_ptr arriving{};

  /// A request of it has been read, and is not yet answered, or will be later.
  bool in_request = false;

  std::uint64_t written = 0;  ///< bytes of data and of zeroes, since it has connected

  /// It has hung up, and could not even receive a reply.
  bool gone = false;
};

}  // namespace nbdstream
#endif
