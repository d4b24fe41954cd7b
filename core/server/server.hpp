// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_SERVER_HPP
#define NBDSTREAM_SERVER_SERVER_HPP

#include "config/config.hpp"
#include "io/async_scope.hpp"
#include "io/tls.hpp"
#include "log/log.hpp"
#include "server/command.hpp"
#include "server/connections.hpp"
#include "server/export.hpp"
#include "server/listener.hpp"
#include "server/metrics_file.hpp"
#include "server/pidfile.hpp"
#include "server/progress_reporter.hpp"
#include "server/service_report.hpp"
#include "status/speedometer.hpp"

#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace nbdstream {

/// Listens, serves every connection, runs the command of --run, and knows when it is over and with
/// which exit status.
class server final : private session_host {
 public:
  /// `tls` may be null. `log` is borrowed.
  server(asio::any_io_executor executor, const config::configuration& config,
         std::shared_ptr<const io::tls_context> tls, log::logger& log);
  ~server() override;

  /// To be notified by exports, which are made with it.
  [[nodiscard]] io::condition& changed() noexcept { return changed_; }
  /// In the order of the configuration. Once, before all that follows.
  void serve_exports(std::vector<std::unique_ptr<nbd_export>> exports);
  /// Takes what listen_as_configured() has bound, to accept connections there. Before run().
  void serve_on(std::vector<listening_socket> sockets) { sockets_ = std::move(sockets); }

  /// Tells systemd how it goes. `manager` is borrowed. Before run(), where there is one.
  void report_to(const systemd::notifier& manager);

  /// Serves until it is over, and returns the exit status. Once.
  [[nodiscard]] awaitable<int> run();

  // What is seen and told from outside, any time before run() has returned.

  /// What the process is doing now.
  [[nodiscard]] status::process snapshot() const;
  /// The export of that name, or null.
  [[nodiscard]] nbd_export* find_export(std::string_view name) noexcept;
  /// Ends as at SIGTERM; once it ends this does nothing, least of all what a second signal does.
  void stop() {
    if (signal_ != 0) return;
    stop_was_requested_ = true;
    begin_to_end(SIGTERM);
  }

  /// After run(): a call of a sink had not returned, so that coroutines are still there. Then the
  /// process must end with _exit(), since they use what destructors would take away.
  [[nodiscard]] bool is_unfinished() const noexcept { return unfinished_; }

 private:
  // session_host
  [[nodiscard]] std::span<const protocol::export_info> export_infos() const override {
    return infos_;
  }
  [[nodiscard]] nbd_export& export_at(std::size_t index) override { return *exports_[index]; }
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate() const override {
    return connections_.gate(stopping_);
  }

  void start_listeners();
  void close_listeners();
  void start_command();

  [[nodiscard]] awaitable<void> handle_signals();
  void begin_to_end(int signal);
  [[nodiscard]] awaitable<void> stop_streams();
  [[nodiscard]] awaitable<void> run_export(nbd_export& e);
  [[nodiscard]] awaitable<void> attend_command();
  void report_failed_command(std::string_view why);
  [[nodiscard]] awaitable<void> read_clients_to_their_ends();
  [[nodiscard]] awaitable<void> watch_for_first_write();

  // In server_service.cpp.

  [[nodiscard]] awaitable<void> report_to_manager();
  [[nodiscard]] awaitable<void> feed_watchdog();
  [[nodiscard]] bool reloads_at(int signal) const noexcept;
  [[nodiscard]] awaitable<void> reload_tls();

  // In server_reports.cpp.

  void start_reports();
  /// What is to be said at the very end; waits for no disk for long.
  [[nodiscard]] awaitable<void> finish_reports();
  [[nodiscard]] awaitable<void> pause(io::clock::duration time);
  [[nodiscard]] awaitable<void> report_progress();
  [[nodiscard]] awaitable<void> watch_speed();
  [[nodiscard]] awaitable<void> write_metrics();
  void log_status();

  [[nodiscard]] bool any_sink_is_stuck() const;
  /// Whether every export has ended, or need not be waited for.
  [[nodiscard]] bool exports_are_over() const;
  [[nodiscard]] bool is_finished() const;
  /// Whether the command runs, or its clients are still being read to their ends.
  [[nodiscard]] bool attending() const { return !config_.run.empty() && !command_status_; }
  void stop_exports(std::string_view reason);
  [[nodiscard]] std::uint64_t aborted_streams() const;
  [[nodiscard]] std::string why_it_ends() const;
  [[nodiscard]] bool name_outstanding() const;
  [[nodiscard]] log::context log_of(const nbd_export& e) const;
  [[nodiscard]] int exit_status();

  asio::any_io_executor executor_;
  const config::server_config& config_;
  std::shared_ptr<const io::tls_context> tls_;
  log::logger& log_;
  io::condition changed_;
  std::vector<std::unique_ptr<nbd_export>> exports_;
  std::vector<protocol::export_info> infos_;
  std::vector<listening_socket> sockets_;
  std::vector<std::unique_ptr<listener>> listeners_;
  std::vector<status::speedometer> speed_;  ///< of each export
  connections connections_;
  std::optional<progress_reporter> progress_;
  std::optional<metrics_file> metrics_;  ///< --metrics-file
  const systemd::notifier* manager_ = nullptr;
  std::optional<service_report> report_;  ///< where there is a manager
  captive_command command_;
  pidfile pidfile_;
  std::optional<int> command_status_;
  asio::signal_set signals_;
  io::async_scope scope_;
  status::wall_clock::time_point began_ = status::wall_clock::now();
  int signal_ = 0;                           ///< the first that arrived, or SIGTERM for stop();
  bool stop_was_requested_ = false;          ///< by stop()
  bool command_was_running_ = false;         ///< when it arrived
  std::uint64_t aborted_before_signal_ = 0;  ///< streams
  bool client_timed_out_ = false;            ///< --client-timeout
  bool stopping_ = false;                    ///< no new clients
  bool reloading_ = false;                   ///< the files of TLS;
  bool reload_again_ = false;                ///< and once more then
  bool finished_ = false;                    ///< run() is on its way out;
  bool unfinished_ = false;                  ///< and leaves coroutines behind
};

}  // namespace nbdstream
#endif
