// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_ENDPOINT_HPP
#define NBDSTREAM_CONTROL_ENDPOINT_HPP

#include "control/http_connection.hpp"
#include "server/listener.hpp"

#include <list>
#include <memory>
#include <string>
#include <vector>

namespace nbdstream::control {

/// One address of the control server, or all that one name stands for, and its connections.
class endpoint {
 public:
  /// So many at a time. One more takes the place of the oldest that has asked for nothing yet, or
  /// else of the oldest that gets events, which a browser asks for again; or it gets 503.
  static constexpr std::size_t most_connections = 64;

  struct settings {
    place where = place::control;
    std::string host;  ///< metrics: what was configured
    patience times;
  };

  /// `all` and `log` are borrowed.
  endpoint(asio::any_io_executor executor, settings s, service& all, log::logger& log);

  /// Takes connections of these sockets, until close_listeners().
  void listen(std::vector<listening_socket> sockets);
  void accept(io::unique_fd socket);
  [[nodiscard]] bool empty() const noexcept { return connections_.empty(); }

  void close_listeners();
  void close_idle() noexcept;
  void close_all() noexcept;
  /// Until all that was closed has ended.
  [[nodiscard]] awaitable<void> join() { return scope_.join(); }

 private:
  using connections = std::list<http_connection>;
  [[nodiscard]] bool make_room();
  [[nodiscard]] awaitable<void> serve_one(connections::iterator which);

  asio::any_io_executor executor_;
  settings settings_;
  service& all_;
  log::logger& log_;
  std::vector<listening_socket> sockets_;
  std::vector<std::unique_ptr<listener>> listeners_;
  connections connections_;  ///< the oldest first
  io::async_scope scope_;
};

}  // namespace nbdstream::control
#endif
