// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_CLIENT_HPP
#define NBDSTREAM_SERVER_CLIENT_HPP

#include "protocol/reply.hpp"

#include <memory>
#include <string>

namespace nbdstream {

class transfer;

/// One connection, as the stream that it writes sees it.
class client {
 public:
  virtual ~client() = default;

  /// For the log: "connection 3".
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;

  /// Its request is about to wait for others (the sink, another connection): what was already
  /// answered should be on its way, since the client may be what the others wait for.
  virtual void before_wait() = 0;

  /// Answers a request whose answer was put off (transfer::keep).
  virtual void answer(const protocol::ticket& of, protocol::wire_error error) = 0;

  /// The stream that it joined has failed: what it receives for it is of no use any more.
  virtual void stream_failed() noexcept = 0;

  /// The stream that it joined with its first write, for as long as it is connected.
  std::shared_ptr<transfer> joined;

  /// It has hung up, and could not even receive an answer.
  bool gone = false;
};

}  // namespace nbdstream
#endif
