// SPDX-License-Identifier: BSD-3-Clause
#include "server/server.hpp"

#include "config/parse.hpp"
#include "log/reason.hpp"
#include "server/command_variables.hpp"
#include "server/inherited_signals.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <utility>

namespace nbdstream {
namespace {

/// How long a signal waits for what clients that have closed sent last.
constexpr auto last_words_time = std::chrono::seconds(1);

}  // namespace

server::server(asio::any_io_executor executor, const config::configuration& config,
               std::shared_ptr<const io::tls_context> tls, log::logger& log)
    : executor_(std::move(executor)),
      config_(config.server),
      tls_(std::move(tls)),
      log_(log),
      changed_(executor_),
      connections_(executor_, config_, tls_, *this, log_, changed_),
      command_(executor_),
      signals_(executor_, SIGTERM),
      scope_(executor_,
             [this](std::exception_ptr failed) { log_.error("{}", log::reason(failed)); }) {
  add_unless_ignored(signals_, {SIGINT, SIGHUP, SIGQUIT, SIGUSR1});
}

server::~server() = default;

void server::serve_exports(std::vector<std::unique_ptr<nbd_export>> exports) {
  exports_ = std::move(exports);
  for (const auto& e : exports_) infos_.push_back(e->info());
  speed_.resize(exports_.size());
}

void server::start_listeners() {
  for (const auto& socket : sockets_) {
    listeners_.push_back(
        std::make_unique<listener>(executor_, socket, log_, [this](io::unique_fd accepted) {
          if (!stopping_) connections_.accept(std::move(accepted));
        }));
    scope_.spawn(listeners_.back()->run());
  }
}

void server::close_listeners() {
  stopping_ = true;
  if (report_) report_->stopping();
  for (auto& l : listeners_) l->close();
  sockets_.clear();
}

void server::start_command() {
  if (config_.run.empty()) return;
  auto variables = variables_for_command(sockets_, config_, tls_.get(), infos_.front().name);
  if (!config_.control.empty()) {
    variables.emplace_back("NBDSTREAM_CONTROL", std::filesystem::absolute(config_.control));
  }
  command_.start(config_.run_shell, config_.run, variables);
  scope_.spawn(attend_command());
}

awaitable<int> server::run() {
  scope_.spawn(handle_signals());
  for (auto& e : exports_) {
    scope_.spawn(run_export(*e));
    scope_.spawn(e->watch_sink());
  }
  start_reports();
  try {
    start_listeners();
    if (config_.single) connections_.accept_standard_streams();
    pidfile_.write(config_.pidfile);
    if (report_) report_->ready();
    start_command();
    if (config_.client_timeout) scope_.spawn(watch_for_first_write());
  } catch (const std::exception& e) {
    log_.error("{}", e.what());
    command_status_ = 1;
    stop_exports(e.what());
  }
  while (!is_finished()) {
    co_await changed_.wait();
    if (config_.single && connections_.empty()) {
      for (auto& e : exports_) e->no_more_clients();
    }
    // A command that waits for a stuck sink would wait for ever.
    if (exports_are_over() && any_sink_is_stuck() && attending()) command_.terminate(SIGTERM);
  }
  close_listeners();
  stop_exports("the server ends");
  co_await connections_.close_all(!any_sink_is_stuck());
  co_await command_.end_group(config_.grace);
  unfinished_ = any_sink_is_stuck();
  finished_ = true;
  signals_.cancel();
  changed_.notify_all();
  co_await finish_reports();
  if (!unfinished_) {
    co_await connections_.join();
    co_await scope_.join();
    metrics_.reset();
  }
  pidfile_.remove();
  co_return exit_status();
}

bool server::any_sink_is_stuck() const {
  return std::ranges::any_of(exports_, [](const auto& e) { return e->is_stuck(); });
}

bool server::exports_are_over() const {
  return std::ranges::all_of(exports_, [](const auto& e) { return e->ended() || e->is_stuck(); });
}

bool server::is_finished() const {
  return exports_are_over() && !attending();
}

awaitable<void> server::run_export(nbd_export& e) {
  try {
    co_await e.run();
  } catch (...) {
    log_.error("{}", log::reason(std::current_exception()));
    e.mark_lost();
  }
  changed_.notify_all();
}

void server::stop_exports(std::string_view reason) {
  for (auto& e : exports_) e->stop(reason);
}

awaitable<void> server::watch_for_first_write() {
  const auto time = *config_.client_timeout;
  const auto until = io::clock::now() + time;
  const auto written = [](const auto& e) { return e->ever_written() || e->ended(); };
  while (!finished_ && io::clock::now() < until) {
    if (std::ranges::all_of(exports_, written)) co_return;
    co_await changed_.wait_with_second_look(
        std::min(until, io::clock::now() + std::chrono::seconds(1)));
  }
  if (finished_) co_return;
  for (const auto& e : exports_) {
    if (written(e)) continue;
    client_timed_out_ = true;
    log_of(*e).error("no client wrote anything within {}; see --client-timeout",
                     config::format_duration(time));
    e->stop("no client wrote anything");
  }
  if (client_timed_out_ && attending()) command_.terminate(SIGTERM);
}

nbd_export* server::find_export(std::string_view name) noexcept {
  const auto found =
      std::ranges::find_if(exports_, [&](const auto& e) { return e->info().name == name; });
  return found == exports_.end() ? nullptr : found->get();
}

awaitable<void> server::handle_signals() {
  for (;;) {
    const auto [error, number] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error || finished_) co_return;
    log_.debug("signal {}", number);
    if (number == SIGUSR1) {
      log_status();
    } else if (reloads_at(number)) {
      if (!std::exchange(reload_again_, true) && !reloading_) scope_.spawn(reload_tls());
    } else {
      begin_to_end(number);
    }
  }
}

void server::begin_to_end(int signal) {
  if (signal_ != 0) {
    for (auto& e : exports_) {
      e->cancel_commit(
          fmt::format("ended by a second signal, {} ({})", signal, ::sigdescr_np(signal)));
    }
    return;
  }
  signal_ = signal;
  command_was_running_ = attending();
  aborted_before_signal_ = aborted_streams();
  close_listeners();
  for (auto& e : exports_) e->close();
  command_.terminate(signal);
  scope_.spawn(stop_streams());
  changed_.notify_all();
}

/// A client that has said NBD_CMD_DISC and closed has done its part, though not all of what it sent
/// was read when the signal came.
awaitable<void> server::stop_streams() {
  // Where a command runs, its exit status decides, and it has none yet.
  const auto until =
      io::clock::now() + (command_was_running_ ? io::clock::duration(0) : last_words_time);
  while (connections_.read_last_words() && io::clock::now() < until) co_await changed_.wait(until);
  stop_exports(why_it_ends());
}

std::string server::why_it_ends() const {
  if (stop_was_requested_) return "stopped through the control socket";
  return fmt::format("ended by signal {} ({})", signal_, ::sigdescr_np(signal_));
}

// The command of --run: its exit status decides.
awaitable<void> server::attend_command() {
  co_await command_.wait_for_end(config_.grace);
  close_listeners();
  connections_.close_negotiating();
  const auto how = "the command of --run " + command_.ending();
  if (command_.status() != 0) report_failed_command(how);
  for (auto& e : exports_) e->run_exited(command_.status(), how);
  if (command_.status() == 0) co_await read_clients_to_their_ends();
  command_status_ = command_.status();
  changed_.notify_all();
}

void server::report_failed_command(std::string_view why) {
  // Otherwise the end of the stream says it.
  const auto open = [](const auto& e) { return e->stream_open(); };
  if (std::ranges::none_of(exports_, open)) log_.error("{}", why);
}

awaitable<void> server::read_clients_to_their_ends() {
  const auto until = io::clock::now() + config_.run_grace;
  while (!connections_.empty() && signal_ == 0 && io::clock::now() < until) {
    co_await changed_.wait(until);
  }
  // A process that was stopped for long sees the time pass before it sees who has left meanwhile.
  if (!connections_.empty()) co_await changed_.wait_with_second_look(until);
  if (connections_.empty()) {
    for (auto& e : exports_) e->no_more_clients();
  } else {  // what is open fails by itself: stream::verdict
    for (auto& e : exports_) e->close();
  }
}

std::uint64_t server::aborted_streams() const {
  std::uint64_t count = 0;
  for (const auto& e : exports_) count += e->aborted() + (e->is_stuck() ? 1 : 0);
  return count;
}

/// For lines that name the export even where its name is empty.
log::context server::log_of(const nbd_export& e) const {
  auto about = log::about_export(e.info().name);
  about.label = fmt::format("export \"{}\"", e.info().name);
  return {log_, std::move(about)};
}

/// A signal has come: which exports have not served all their streams, for the log.
bool server::name_outstanding() const {
  bool any = false;
  for (const auto& e : exports_) {
    if (e->outstanding() == 0) continue;
    any = true;
    log_of(*e).error("{} with {} of its streams outstanding", why_it_ends(), e->outstanding());
  }
  return any;
}

int server::exit_status() {
  const auto aborted = aborted_streams();
  std::uint64_t committed = 0;
  for (const auto& e : exports_) committed += e->committed();
  if (signal_ != 0) {
    const bool outstanding = name_outstanding();
    const bool interrupted =
        outstanding || command_was_running_ || aborted > aborted_before_signal_;
    if (interrupted) return 128 + signal_;
  }
  if (unfinished_ || client_timed_out_) return 1;  // whatever became of the command
  if (command_status_.value_or(0) != 0) return *command_status_;
  if (aborted > 0) return 1;
  const auto lacks_receipt = [](const auto& e) { return e->without_receipt() > 0; };
  if (std::ranges::any_of(exports_, lacks_receipt)) return 1;
  const bool must_write = !config_.run.empty() || config_.single;
  if (must_write && committed == 0) {
    log_.error("nothing was written");
    return 1;
  }
  return 0;
}

}  // namespace nbdstream
