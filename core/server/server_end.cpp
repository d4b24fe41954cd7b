// SPDX-License-Identifier: BSD-3-Clause
//
// How the server comes to its end: signals, the command of --run, the exit status.
#include "server/server.hpp"

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

namespace nbdstream {
namespace {

/// How often the end of a process group is looked for: there is no event for it.
constexpr auto group_interval = std::chrono::milliseconds(20);

/// How long a signal waits for what clients that have closed sent last.
constexpr auto last_words_time = std::chrono::seconds(1);

}  // namespace

awaitable<void> server::handle_signals() {
  for (;;) {
    const auto [error, number] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error || finished_) co_return;
    log_.debug("signal {}", number);
    if (signal_ != 0) {
      for (auto& e : exports_) {
        e->cancel_commit(
            fmt::format("ended by a second signal, {} ({})", number, ::sigdescr_np(number)));
      }
      continue;
    }
    signal_ = number;
    command_was_running_ = attending();
    aborted_before_signal_ = aborted_streams();
    close_listeners();
    terminate_command(number);
    scope_.spawn(stop_streams());
    changed_.notify_all();
  }
}

/// A client that has said NBD_CMD_DISC and closed has done its part, though not all of what it sent
/// was read when the signal came.
awaitable<void> server::stop_streams() {
  // Where a command runs, its exit status decides, and it has none yet.
  const auto until =
      io::clock::now() + (command_was_running_ ? io::clock::duration(0) : last_words_time);
  while (connections_.read_last_words() && io::clock::now() < until) co_await changed_.wait(until);
  stop_exports(fmt::format("ended by signal {} ({})", signal_, ::sigdescr_np(signal_)));
}

void server::terminate_command(int signal) {
  if (std::exchange(terminating_, true)) return;
  if (command_.group_exists()) command_.signal(signal);
  command_.wake();
}

// The command of --run: its exit status decides.
awaitable<void> server::attend_command() {
  auto kill_at = io::clock::time_point::max();
  for (;;) {
    if (terminating_ && kill_at == io::clock::time_point::max()) {
      kill_at = io::clock::now() + config_.grace;
    }
    const bool exited = co_await command_.wait(kill_at);
    if (exited) break;
    if (io::clock::now() >= kill_at) {
      command_.signal(SIGKILL);
      kill_at += config_.grace;
    }
  }
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
  if (connections_.empty()) {
    for (auto& e : exports_) e->no_more_clients();
  } else {
    stop_exports(
        "the command of --run has exited, but after --run-grace a client is still connected");
  }
}

awaitable<void> server::end_command() {
  if (!terminating_) co_return;
  // The shell may be gone and its children not.
  const auto kill_at = io::clock::now() + config_.grace;
  while (command_.group_exists() && io::clock::now() < kill_at) {
    co_await changed_.wait(io::clock::now() + group_interval);
  }
  if (command_.group_exists()) command_.signal(SIGKILL);
}

std::uint64_t server::aborted_streams() const {
  std::uint64_t count = 0;
  for (const auto& e : exports_) count += e->aborted() + (e->is_stuck() ? 1 : 0);
  return count;
}

/// A signal has come: which exports have not served all their streams, for the log.
bool server::name_outstanding() const {
  bool any = false;
  for (const auto& e : exports_) {
    if (e->outstanding() == 0) continue;
    any = true;
    log_.error("export \"{}\": ended by signal {} ({}) with {} of its streams outstanding",
               e->info().name, signal_, ::sigdescr_np(signal_), e->outstanding());
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
  if (any_sink_is_stuck() || client_timed_out_) return 1;  // whatever became of the command
  if (command_status_.value_or(0) != 0) return *command_status_;
  if (aborted > 0) return 1;
  const bool must_write = !config_.run.empty() || config_.single;
  if (must_write && committed == 0) {
    log_.error("nothing was written");
    return 1;
  }
  return 0;
}

}  // namespace nbdstream
