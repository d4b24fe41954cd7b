// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_CONNECTIONS_HPP
#define NBDSTREAM_SERVER_CONNECTIONS_HPP

#include "config/config.hpp"
#include "io/async_scope.hpp"
#include "io/tls.hpp"
#include "log/log.hpp"
#include "server/session.hpp"
#include "status/snapshot.hpp"

#include <list>
#include <memory>
#include <optional>
#include <vector>

namespace nbdstream {

/// The sessions of the server: as many as are allowed, from their beginning to their end.
class connections {
 public:
  /// All but the executor and `tls`, which may be null, is borrowed. `changed` is notified when one
  /// has ended.
  connections(asio::any_io_executor executor, const config::server_config& config,
              std::shared_ptr<const io::tls_context> tls, session_host& host, log::logger& log,
              io::condition& changed);

  /// Serves the client at the other end of `socket`.
  void accept(io::unique_fd socket);
  /// Serves the client at the other end of our standard input and output (--single).
  void accept_standard_streams();

  /// Of those that connect from now on. State: they have had one.
  void set_tls(std::shared_ptr<const io::tls_context> tls) noexcept { tls_ = std::move(tls); }

  /// Those that have chosen an export.
  [[nodiscard]] std::vector<status::connection> snapshot() const;

  [[nodiscard]] bool empty() const noexcept { return sessions_.empty(); }
  /// Why no client may begin to transmit now, if so.
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate(bool stopping) const;
  /// Whether any client that wrote has closed its end, and what it sent last is still to be read.
  [[nodiscard]] bool read_last_words() const;

  void close_negotiating();
  /// Closes all: clients that transmit have a second to disconnect by themselves. Waits for every
  /// session to end, unless `all_can_end` says that a stuck sink keeps one.
  [[nodiscard]] awaitable<void> close_all(bool all_can_end);

  /// Until every session has ended.
  [[nodiscard]] awaitable<void> join() { return scope_.join(); }

 private:
  void serve(std::unique_ptr<io::transport> transport);
  [[nodiscard]] awaitable<void> serve_one(std::list<session>::iterator place);
  void make_room();

  asio::any_io_executor executor_;
  const config::server_config& config_;
  std::shared_ptr<const io::tls_context> tls_;
  session_host& host_;
  log::logger& log_;
  io::condition& changed_;
  std::list<session> sessions_;
  std::uint64_t last_id_ = 0;
  io::async_scope scope_;
};

}  // namespace nbdstream
#endif
