// SPDX-License-Identifier: BSD-3-Clause
//
// What the server says of itself while it serves.
#include "config/cli.hpp"
#include "server/server.hpp"
#include "status/metrics.hpp"
#include "status/progress.hpp"

#include <unistd.h>

#include <utility>

namespace nbdstream {
namespace {

constexpr auto metrics_interval = std::chrono::seconds(10);
constexpr auto speed_interval = std::chrono::seconds(1);

/// Whether somebody else has the terminal that our log goes to: the shell, where we run behind it,
/// or another job.
bool in_background() {
  const auto group = ::tcgetpgrp(STDERR_FILENO);
  return group >= 0 && group != ::getpgrp();
}

}  // namespace

void server::start_reports() {
  if (config_.progress || config_.progress_fd) {
    progress_.emplace(config_, log_);
    scope_.spawn(report_progress());
  }
  if (config::is_watched(config_) || report_) scope_.spawn(watch_speed());
  if (report_) scope_.spawn(report_to_manager());
  if (report_ && manager_->watchdog()) scope_.spawn(feed_watchdog());
  if (!config_.metrics_file.empty()) {
    metrics_.emplace(executor_, config_.metrics_file, log_);
    scope_.spawn(write_metrics());
  }
}

awaitable<void> server::finish_reports() {
  const auto last = snapshot();
  if (progress_) progress_->finish(last);
  if (metrics_) {
    auto text = status::to_metrics(last, status::metrics_format::prometheus);
    co_await metrics_->write_last(std::move(text));
  }
}

/// Until that time has passed, or all is over.
awaitable<void> server::pause(io::clock::duration time) {
  const auto until = io::clock::now() + time;
  while (!finished_ && io::clock::now() < until) co_await changed_.wait(until);
}

awaitable<void> server::report_progress() {
  while (!finished_) {
    progress_->report(snapshot(), !in_background() || command_.has_terminal());
    co_await pause(progress_->interval());
  }
}

awaitable<void> server::watch_speed() {
  while (!finished_) {
    for (std::size_t i = 0; i < exports_.size(); ++i) {
      speed_[i].look(exports_[i]->snapshot(), io::clock::now());
    }
    co_await pause(speed_interval);
  }
}

awaitable<void> server::write_metrics() {
  while (!finished_) {
    auto text = status::to_metrics(snapshot(), status::metrics_format::prometheus);
    co_await metrics_->write(std::move(text));
    co_await pause(metrics_interval);
  }
}

/// Asked for with SIGUSR1.
void server::log_status() {
  for (const auto& e : snapshot().exports) log_.info("{}", status::progress_text(e));
}

status::process server::snapshot() const {
  status::process p;
  p.version = config::version();
  p.id = ::getpid();
  p.now = status::wall_clock::now();
  p.began = began_;
  p.stopping = stopping_;
  for (std::size_t i = 0; i < exports_.size(); ++i) {
    auto e = exports_[i]->snapshot();
    e.speed = speed_[i].read(e);
    p.exports.push_back(std::move(e));
  }
  p.connections = connections_.snapshot();
  return p;
}

}  // namespace nbdstream
