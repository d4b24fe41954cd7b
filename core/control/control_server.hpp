// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_CONTROL_SERVER_HPP
#define NBDSTREAM_CONTROL_CONTROL_SERVER_HPP

#include "config/config.hpp"
#include "control/endpoint.hpp"

#include <optional>
#include <string>
#include <vector>

namespace nbdstream::control {

/// The sockets of --control and --metrics.
struct bound_sockets {
  std::vector<listening_socket> control;
  std::vector<listening_socket> metrics;
};
/// Binds them, and says where: a line for each in the log. Throws listen_error.
[[nodiscard]] bound_sockets bind_as_configured(const config::server_config& config,
                                               log::logger& log);

/// The HTTP server of --control and --metrics.
class control_server {
 public:
  /// All but the sockets is borrowed.
  control_server(const asio::any_io_executor& executor, const config::configuration& config,
                 controlled& process, bound_sockets sockets, log::logger& log);

  /// Begins to accept connections. Once.
  void start();
  /// The process ends: who waits for an answer gets it, but nobody takes longer than a second.
  /// Where not all exports have ended (`all_have_ended`), since a call of a sink does not return,
  /// whatever waits for one is left behind, and the process must end with _exit().
  [[nodiscard]] awaitable<void> finish(bool all_have_ended);

 private:
  bound_sockets sockets_;
  service service_;
  endpoint control_;
  endpoint metrics_;
};

}  // namespace nbdstream::control
#endif
