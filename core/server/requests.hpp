// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_REQUESTS_HPP
#define NBDSTREAM_SERVER_REQUESTS_HPP

#include "server/connection.hpp"
#include "server/export.hpp"
#include "server/payload.hpp"
#include "server/read_replies.hpp"

#include <string_view>
#include <vector>

namespace nbdstream {

/// Serves one connection to an export: what it writes goes into the export's streams.
class requests final : public service {
 public:
  /// Both are borrowed.
  requests(connection& on, nbd_export& of) : on_(on), export_(of), payload_(on), reads_(on, of) {
    export_.attach();
  }

  [[nodiscard]] awaitable<ending> serve(protocol::request r) override;
  [[nodiscard]] awaitable<void> answer_all() override;
  [[nodiscard]] bool takes_payload_from_socket() const noexcept override {
    return payload_.leaves_unread();
  }
  void notice_hangup() override;
  void fail(std::string_view why) override;
  [[nodiscard]] awaitable<void> end(stream::disconnect how) override;

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

  connection& on_;
  nbd_export& export_;
  payload payload_;
  read_replies reads_;
  std::vector<encoding::piece> batch_;      ///< of gather(): payloads in the connection's input,
  std::vector<protocol::cookie> reply_to_;  ///< and whose they are
};

}  // namespace nbdstream
#endif
