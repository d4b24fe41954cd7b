// SPDX-License-Identifier: BSD-3-Clause
//
// What a session knows of what its client has chosen: an export whose writes become streams
// (server/export), or one that is only read (serve/read_export).
#ifndef NBDSTREAM_SERVER_SERVED_HPP
#define NBDSTREAM_SERVER_SERVED_HPP

#include "io/error.hpp"
#include "protocol/negotiator.hpp"
#include "protocol/request.hpp"
#include "stream/verdict.hpp"

#include <memory>
#include <optional>
#include <string_view>

namespace nbdstream {

struct connection;

/// How a connection ended, or nothing as long as it goes on.
using ending = std::optional<stream::disconnect>;

/// Serves the requests of one connection, one after another ("Request types").
class service {
 public:
  virtual ~service() = default;

  /// Serves `r`, but NBD_CMD_DISC. It may return before that is answered. State: the header was
  /// consumed.
  [[nodiscard]] virtual awaitable<ending> serve(protocol::request r) = 0;
  /// The client asks nothing more: until all its requests are answered.
  [[nodiscard]] virtual awaitable<void> answer_all() = 0;

  /// Whether what stands behind the next header must not be read with it.
  [[nodiscard]] virtual bool takes_payload_from_socket() const noexcept { return false; }
  /// While a request is served: its client sends no more, or has hung up.
  virtual void notice_hangup() {}

  /// The session is out of memory, or has made a mistake.
  virtual void fail(std::string_view /*why*/) {}
  /// The connection has ended. Until nothing uses it any more. Once, whatever came before.
  [[nodiscard]] virtual awaitable<void> end(stream::disconnect how) = 0;
};

/// What a client may choose.
class served {
 public:
  virtual ~served() = default;
  [[nodiscard]] virtual const protocol::export_info& info() const noexcept = 0;
  /// A client has chosen this. `on` is borrowed until the service has ended.
  [[nodiscard]] virtual std::unique_ptr<service> serve(connection& on) = 0;
};

}  // namespace nbdstream
#endif
