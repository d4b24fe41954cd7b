// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_server.hpp"

#include <fmt/format.h>

#include <utility>

namespace nbdstream::control {
namespace {

/// How long the process waits for clients to take their last answers.
constexpr auto goodbye_time = std::chrono::seconds(1);

std::vector<std::string> names_of(const config::configuration& config) {
  std::vector<std::string> names;
  for (const auto& e : config.exports) names.push_back(e.name);
  return names;
}

endpoint::settings reading_only(const config::server_config& config) {
  return {.where = place::metrics,
          .host = config.metrics ? config.metrics->host : std::string(),
          .times = {}};
}

}  // namespace

bound_sockets bind_as_configured(const config::server_config& config, log::logger& log) {
  bound_sockets bound;
  if (!config.control.empty()) {
    config::listen_address address;
    address.what = config::listen_address::kind::unix_path;
    address.path = config.control;
    bound.control = listen_on(address, log, config.control_mode);
  }
  if (config.metrics) bound.metrics = listen_on(*config.metrics, log);
  for (const auto& s : bound.control) log.info("control: HTTP on unix:{}", s.unix_path);
  for (const auto& s : bound.metrics) log.info("metrics: http://{}:{}/metrics", s.host, s.port);
  return bound;
}

control_server::control_server(const asio::any_io_executor& executor,
                               const config::configuration& config, controlled& process,
                               bound_sockets sockets, log::logger& log)
    : sockets_(std::move(sockets)),
      service_(executor, process, names_of(config), log),
      control_(executor, {}, service_, log),
      metrics_(executor, reading_only(config.server), service_, log) {}

void control_server::start() {
  control_.listen(std::move(sockets_.control));
  metrics_.listen(std::move(sockets_.metrics));
}

awaitable<void> control_server::finish(bool all_have_ended) {
  control_.close_listeners();
  metrics_.close_listeners();
  service_.begin_to_end();
  if (!all_have_ended) service_.abort_waiters();
  const auto until = io::clock::now() + goodbye_time;
  while (!(control_.empty() && metrics_.empty()) && io::clock::now() < until) {
    control_.close_idle();
    metrics_.close_idle();
    co_await service_.changed().wait(until);
  }
  control_.close_all();
  metrics_.close_all();
  co_await control_.join();
  co_await metrics_.join();
  if (all_have_ended) co_await service_.join();
}

}  // namespace nbdstream::control
