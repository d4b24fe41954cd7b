// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_REQUESTS_HPP
#define NBDSTREAM_SERVER_REQUESTS_HPP

#include "server/connection.hpp"
#include "server/payload.hpp"
#include "server/read_replies.hpp"

#include <string_view>
#include <vector>

namespace nbdstream {

/// Serves the requests of one connection, one after another ("Request types").
class requests {
 public:
  /// `on` is borrowed.
  explicit requests(connection& on) noexcept : on_(on), payload_(on), reads_(on) {}

  /// Serves `r`, but NBD_CMD_DISC. State: its header was consumed.
  [[nodiscard]] awaitable<ending> serve(protocol::request r);

  /// The payload of the request that is being served.
  [[nodiscard]] const payload& incoming() const noexcept { return payload_; }

 private:
  using request = protocol::request;
  using wire_error = protocol::wire_error;

  [[nodiscard]] awaitable<ending> refuse(request r, protocol::verdict v);
  [[nodiscard]] awaitable<ending> read(request r);
  [[nodiscard]] awaitable<ending> status(request r);
  [[nodiscard]] awaitable<ending> write(request r);
  [[nodiscard]] awaitable<ending> write_to(open_stream& to, request r);
  [[nodiscard]] awaitable<ending> write_batch();
  [[nodiscard]] awaitable<ending> zero(request r);
  [[nodiscard]] awaitable<ending> flush(request r);

  void gather(const request& first);
  void log_refusal(const request& r, std::string_view why);

  connection& on_;
  payload payload_;
  read_replies reads_;
  bool refused_before_ = false;
  std::vector<encoding::piece> batch_;      ///< of gather(): payloads in the connection's input,
  std::vector<protocol::cookie> reply_to_;  ///< and whose they are
};

}  // namespace nbdstream
#endif
