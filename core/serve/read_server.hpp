// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVE_READ_SERVER_HPP
#define NBDSTREAM_SERVE_READ_SERVER_HPP

#include "config/config.hpp"
#include "io/async_scope.hpp"
#include "io/tls.hpp"
#include "log/log.hpp"
#include "serve/read_export.hpp"
#include "server/command.hpp"
#include "server/connections.hpp"
#include "server/listener.hpp"
#include "server/pidfile.hpp"
#include "systemd/notifier.hpp"

#include <boost/asio/signal_set.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace nbdstream::serve {

/// Serves one source to every client that comes, until a signal or the end of the command of --run
/// ends it.
class read_server final : private session_host {
 public:
  /// `tls` may be null. All else but the executor is borrowed.
  read_server(asio::any_io_executor executor, const config::server_config& config,
              std::shared_ptr<const io::tls_context> tls, read_export& served, log::logger& log);

  /// Takes what listen_as_configured() has bound. Before run().
  void serve_on(std::vector<listening_socket> sockets) { sockets_ = std::move(sockets); }

  /// Serves until it is over, and returns the exit status. Once. `manager` is borrowed.
  [[nodiscard]] awaitable<int> run(const systemd::notifier& manager);

 private:
  // session_host
  [[nodiscard]] std::span<const protocol::export_info> export_infos() const override {
    return {&export_.info(), 1};
  }
  [[nodiscard]] nbdstream::served& export_at(std::size_t /*index*/) override { return export_; }
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate() const override {
    return connections_.gate(stopping_);
  }

  void start();
  void close_listeners();
  [[nodiscard]] awaitable<void> handle_signals();
  [[nodiscard]] awaitable<void> attend_command();
  [[nodiscard]] awaitable<void> feed_watchdog(const systemd::notifier& manager);
  [[nodiscard]] awaitable<void> close_connections();
  [[nodiscard]] bool is_finished() const;

  asio::any_io_executor executor_;
  const config::server_config& config_;
  std::shared_ptr<const io::tls_context> tls_;
  read_export& export_;
  log::logger& log_;
  io::condition changed_;
  std::vector<listening_socket> sockets_;
  std::vector<std::unique_ptr<listener>> listeners_;
  connections connections_;
  captive_command command_;
  pidfile pidfile_;
  asio::signal_set signals_;
  io::async_scope scope_;
  std::optional<int> command_status_;
  int signal_ = 0;  ///< the first that arrived
  bool stopping_ = false;
  bool finished_ = false;
};

}  // namespace nbdstream::serve
#endif
