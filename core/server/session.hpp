// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_SESSION_HPP
#define NBDSTREAM_SERVER_SESSION_HPP

#include "io/async_scope.hpp"
#include "protocol/negotiator.hpp"
#include "protocol/request.hpp"
#include "server/connection.hpp"

#include <memory>
#include <optional>
#include <string>

namespace nbdstream {

/// What a session needs of the server around it.
class session_host {
 public:
  virtual ~session_host() = default;
  /// The exports as clients see them, and the one at an index of that list.
  [[nodiscard]] virtual std::span<const protocol::export_info> export_infos() const = 0;
  [[nodiscard]] virtual served& export_at(std::size_t index) = 0;
  /// Why no client may begin to transmit now, if so.
  [[nodiscard]] virtual std::optional<protocol::negotiator::refusal> gate() const = 0;
};

/// One connection, from the greeting to its end. Reads as the protocol document does: the
/// handshake, then requests, one after another, which a service of the export serves.
class session {
 public:
  struct settings {
    std::uint64_t id = 1;
    io::clock::duration handshake_timeout = std::chrono::seconds(10);
    io::clock::duration payload_timeout = std::chrono::seconds(60);
    protocol::tls_policy tls = protocol::tls_policy::off;
  };

  /// `host` and `log` are borrowed until run() has returned.
  session(const asio::any_io_executor& executor, settings s,
          std::unique_ptr<io::transport> transport, session_host& host, log::logger& log);

  /// The whole life of the connection; its stream, if it joined one, knows how it ended.
  [[nodiscard]] awaitable<void> run();

  /// Hangs up on the client now.
  void close() noexcept;

  [[nodiscard]] bool negotiating() const noexcept { return !on_.exported && !closed_; }
  [[nodiscard]] bool transmitting() const noexcept { return on_.exported && !closed_; }

  /// Whether its client wrote to a stream, and has closed its end: what it sent last, NBD_CMD_DISC
  /// perhaps, is still to be read.
  [[nodiscard]] bool reads_last_words() const noexcept;

  /// Null until it has been chosen.
  [[nodiscard]] const served* exported() const noexcept { return on_.exported; }
  [[nodiscard]] const client& peer() const noexcept { return on_.me; }
  [[nodiscard]] log::context& log() noexcept { return on_.log; }

 private:
  [[nodiscard]] awaitable<stream::disconnect> serve_client();
  [[nodiscard]] awaitable<bool> negotiate();
  [[nodiscard]] awaitable<bool> start_tls();
  [[nodiscard]] awaitable<stream::disconnect> transmit();
  [[nodiscard]] awaitable<ending> next_request(protocol::request& into);
  [[nodiscard]] awaitable<ending> end_of_input();
  [[nodiscard]] awaitable<bool> answer_all();
  [[nodiscard]] awaitable<void> linger();

  // Beside them.
  [[nodiscard]] awaitable<void> send_replies();
  [[nodiscard]] awaitable<void> watch_deadline();
  [[nodiscard]] awaitable<void> watch_peer();

  settings settings_;
  session_host& host_;
  connection on_;
  std::unique_ptr<service> service_;  ///< once an export has been chosen
  bool closed_ = false;
  bool lingering_ = false;
  io::transport::peer_state peer_ = io::transport::peer_state::connected;
  io::condition request_begins_;  ///< while the peer sends no more
  io::async_scope scope_;
};

}  // namespace nbdstream
#endif
