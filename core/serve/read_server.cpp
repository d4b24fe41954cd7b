// SPDX-License-Identifier: BSD-3-Clause
#include "serve/read_server.hpp"

#include "log/reason.hpp"
#include "server/command_variables.hpp"
#include "server/inherited_signals.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <cstring>
#include <utility>

namespace nbdstream::serve {

read_server::read_server(asio::any_io_executor executor, const config::server_config& config,
                         std::shared_ptr<const io::tls_context> tls, read_export& served,
                         log::logger& log)
    : executor_(std::move(executor)),
      config_(config),
      tls_(std::move(tls)),
      export_(served),
      log_(log),
      changed_(executor_),
      connections_(executor_, config_, tls_, *this, log_, changed_),
      command_(executor_),
      signals_(executor_, SIGTERM),
      scope_(executor_,
             [this](std::exception_ptr failed) { log_.error("{}", log::reason(failed)); }) {
  add_unless_ignored(signals_, {SIGINT, SIGHUP, SIGQUIT, SIGUSR1});
}

void read_server::start() {
  for (const auto& socket : sockets_) {
    listeners_.push_back(
        std::make_unique<listener>(executor_, socket, log_, [this](io::unique_fd accepted) {
          if (!stopping_) connections_.accept(std::move(accepted));
        }));
    scope_.spawn(listeners_.back()->run());
  }
  if (config_.single) connections_.accept_standard_streams();
  pidfile_.write(config_.pidfile);
  if (config_.run.empty()) return;
  command_.start(config_.run_shell, config_.run,
                 variables_for_command(sockets_, config_, tls_.get(), export_.info().name));
  scope_.spawn(attend_command());
}

awaitable<void> read_server::attend_command() {
  co_await command_.wait_for_end(config_.grace);
  if (command_.status() != 0) log_.error("the command of --run {}", command_.ending());
  command_status_ = command_.status();
  changed_.notify_all();
}

awaitable<void> read_server::handle_signals() {
  for (;;) {
    const auto [error, number] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error || finished_) co_return;
    log_.debug("signal {}", number);
    if (number == SIGUSR1) continue;  // asks a server that writes for its progress
    if (signal_ == 0) signal_ = number;
    command_.terminate(number);
    changed_.notify_all();
  }
}

/// As a coroutine of the loop: a loop that does not turn lets the watchdog bite.
awaitable<void> read_server::feed_watchdog(const systemd::notifier& manager) {
  while (!finished_) {
    static_cast<void>(manager.send("WATCHDOG=1"));
    const auto until = io::clock::now() + *manager.watchdog() / 2;
    while (!finished_ && io::clock::now() < until) co_await changed_.wait(until);
  }
}

bool read_server::is_finished() const {
  if (!config_.run.empty()) return command_status_.has_value();
  return signal_ != 0 || (config_.single && connections_.empty());
}

void read_server::close_listeners() {
  stopping_ = true;
  for (auto& l : listeners_) l->close();
  sockets_.clear();
}

/// A read that does not return is given up after --grace.
awaitable<void> read_server::close_connections() {
  co_await connections_.close_all(false);
  if (!connections_.empty()) export_.interrupt();
  const auto until = io::clock::now() + config_.grace;
  while (!connections_.empty() && io::clock::now() < until) co_await changed_.wait(until);
  if (!connections_.empty()) {
    log_.warning("{}: a read did not return within --grace and is given up",
                 export_.from()->name());
  }
  export_.abandon();
  co_await connections_.join();
}

awaitable<int> read_server::run(const systemd::notifier& manager) {
  int status = 0;
  scope_.spawn(handle_signals());
  try {
    start();
    static_cast<void>(manager.send("READY=1"));
    if (manager.watchdog()) scope_.spawn(feed_watchdog(manager));
    while (!is_finished()) co_await changed_.wait();
  } catch (const std::exception& e) {
    log_.error("{}", e.what());
    status = 1;
  }
  const bool interrupted = signal_ != 0 && !config_.run.empty();
  static_cast<void>(manager.send("STOPPING=1"));
  close_listeners();
  co_await close_connections();
  co_await command_.end_group(config_.grace);
  finished_ = true;
  signals_.cancel();
  changed_.notify_all();
  co_await scope_.join();
  pidfile_.remove();
  if (status != 0) co_return status;
  if (interrupted) co_return 128 + signal_;
  co_return command_status_.value_or(0);
}

}  // namespace nbdstream::serve
