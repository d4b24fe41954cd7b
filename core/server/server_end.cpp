// SPDX-License-Identifier: BSD-3-Clause
//
// How the server comes to its end: signals, the command of --run, the exit status.
#include "server/server.hpp"

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <cstring>

namespace nbdstream {
namespace {

/// How often the end of a process group is looked for: there is no event for it.
constexpr auto group_interval = std::chrono::milliseconds(20);

}  // namespace

awaitable<void> server::handle_signals() {
  for (;;) {
    const auto [error, number] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error || finished_) co_return;
    log_.debug("signal {}", number);
    if (signal_ != 0) {
      commit_cancelled_ = true;
      for (auto& e : exports_) e->cancel_commit();
      continue;
    }
    signal_ = number;
    interrupted_ = attending();
    close_listeners();
    for (auto& e : exports_) {
      e->stop(fmt::format("ended by signal {} ({})", number, ::sigdescr_np(number)));
      interrupted_ |= e->stream_open() && !e->committing();
    }
    terminate_command(number);
    changed_.notify_all();
  }
}

void server::terminate_command(int signal) {
  terminating_ = true;
  if (command_.group_exists()) command_.signal(signal);
  command_.wake();
}

// The command of --run: its exit status vouches for its clients, or not.
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
  close_negotiating();
  if (command_.status() == 0) {
    co_await command_succeeded();
  } else {
    stop_exports(fmt::format("the command of --run failed with status {}", command_.status()));
  }
  command_status_ = command_.status();
  changed_.notify_all();
}

awaitable<void> server::command_succeeded() {
  const auto until = io::clock::now() + config_.run_grace;
  while (!sessions_.empty() && signal_ == 0 && io::clock::now() < until) {
    co_await changed_.wait(until);
  }
  if (!sessions_.empty()) {
    stop_exports(
        "the command of --run has exited, but after --run-grace a client is still connected");
  } else {
    for (auto& e : exports_) e->vouch();
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

void server::give_up_on_stuck_sink() {
  ++stuck_sinks_;
  // The streams of the others go on to their ends; the command may wait for an answer for ever.
  for (auto& e : exports_) e->close();
  if (attending()) terminate_command(SIGTERM);
  changed_.notify_all();
}

int server::exit_status() {
  std::uint64_t committed = 0;
  std::uint64_t aborted = stuck_sinks_;
  for (const auto& e : exports_) {
    committed += e->committed();
    aborted += e->aborted();
  }
  if (interrupted_ || (commit_cancelled_ && aborted > 0)) return 128 + signal_;
  if (stuck()) return 1;  // whatever became of the command, which may wait for us
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
