// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_SERVER_HPP
#define NBDSTREAM_SERVER_SERVER_HPP

#include "config/config.hpp"
#include "io/async_scope.hpp"
#include "io/tls.hpp"
#include "log/log.hpp"
#include "server/command.hpp"
#include "server/export.hpp"
#include "server/listener.hpp"
#include "server/session.hpp"

#include <boost/asio/signal_set.hpp>

#include <list>
#include <memory>
#include <optional>
#include <vector>

namespace nbdstream {

/// Listens, serves every connection, runs the command of --run, and knows when it is over and with
/// which exit status.
class server final : private session_host {
 public:
  /// `log` and `tls` (null: none) are borrowed. `exports` are in the order of the configuration.
  server(asio::any_io_executor executor, const config::configuration& config,
         const io::tls_context* tls, std::vector<std::unique_ptr<nbd_export>> exports,
         log::logger& log);
  ~server() override;

  /// Binds everything that the configuration names. Throws listen_error.
  void listen();

  /// Serves until it is over, and returns the exit status. Once; after listen().
  [[nodiscard]] awaitable<int> run();

  /// A sink's call does not return: serve no further streams, and end once those of the other
  /// exports have ended. Then the process must end with _exit().
  void give_up_on_stuck_sink();
  [[nodiscard]] bool stuck() const noexcept { return stuck_sinks_ > 0; }

 private:
  // session_host
  [[nodiscard]] std::span<const protocol::export_info> export_infos() const override {
    return infos_;
  }
  [[nodiscard]] nbd_export& export_at(std::size_t index) override { return *exports_[index]; }
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate() const override;

  void accept(io::unique_fd socket);
  void serve(std::unique_ptr<io::transport> transport);
  void serve_standard_streams();
  [[nodiscard]] awaitable<void> serve_connection(std::list<session>::iterator place);
  void make_room();
  [[nodiscard]] std::size_t negotiated() const;

  void start_listeners();
  void close_listeners();
  void write_pidfile() const;
  void start_command();
  [[nodiscard]] std::string command_uri(const listening_socket& socket) const;

  [[nodiscard]] awaitable<void> handle_signals();
  [[nodiscard]] awaitable<void> run_export(nbd_export& e);
  [[nodiscard]] awaitable<void> attend_command();
  [[nodiscard]] awaitable<void> command_succeeded();
  [[nodiscard]] awaitable<void> end_command();
  [[nodiscard]] awaitable<void> report_progress();

  [[nodiscard]] bool over() const;
  [[nodiscard]] awaitable<void> close_sessions();
  /// Whether the command runs, or its clients are still being read to their ends.
  [[nodiscard]] bool attending() const { return !config_.run.empty() && !command_status_; }
  void terminate_command(int signal);
  void stop_exports(std::string_view reason);
  void close_negotiating();
  [[nodiscard]] int exit_status();

  asio::any_io_executor executor_;
  const config::server_config& config_;
  const io::tls_context* tls_;
  std::vector<std::unique_ptr<nbd_export>> exports_;
  std::vector<protocol::export_info> infos_;
  log::logger& log_;
  std::vector<listening_socket> sockets_;
  std::vector<std::unique_ptr<listener>> listeners_;
  std::list<session> sessions_;
  std::uint64_t last_session_ = 0;
  captive_command command_;
  std::optional<int> command_status_;
  asio::signal_set signals_;
  io::condition changed_;
  io::async_scope scope_;
  int signal_ = 0;                 ///< the first that arrived
  bool interrupted_ = false;       ///< it ended a stream or the command
  bool commit_cancelled_ = false;  ///< a second one came
  bool terminating_ = false;       ///< the command was told to end
  bool stopping_ = false;          ///< no new clients
  bool finished_ = false;          ///< run() is on its way out
  std::size_t stuck_sinks_ = 0;    ///< each means an export that never ends
};

}  // namespace nbdstream
#endif
