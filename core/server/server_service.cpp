// SPDX-License-Identifier: BSD-3-Clause
//
// The server as a service of systemd.
#include "io/worker.hpp"
#include "log/reason.hpp"
#include "server/server.hpp"

#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

namespace nbdstream {
namespace {

/// How long reading a few files may take.
constexpr auto reload_time = std::chrono::seconds(10);

/// What became of reading the files of TLS, on another thread.
struct reloaded {
  std::shared_ptr<const io::tls_context> tls;
  std::string why;  ///< where that is null
};

std::int64_t load(const config::server_config& config, reloaded& into) {
  try {
    into.tls = io::load_tls(config);
  } catch (...) {
    into.why = log::reason(std::current_exception());
  }
  return 0;
}

}  // namespace

void server::report_to(const systemd::notifier& manager) {
  manager_ = &manager;
  report_.emplace(manager);
}

awaitable<void> server::report_to_manager() {
  while (!finished_) {
    report_->look(snapshot(), io::clock::now());
    co_await pause(service_report::interval);
  }
}

/// As a coroutine of the loop: a loop that does not turn lets the watchdog bite.
awaitable<void> server::feed_watchdog() {
  const auto often = *manager_->watchdog() / 2;
  while (!finished_) {
    static_cast<void>(manager_->send("WATCHDOG=1"));
    co_await pause(often);
  }
}

/// Without a manager, a terminal that hangs up, say, ends us.
bool server::reloads_at(int signal) const noexcept {
  return signal == SIGHUP && report_ && config_.run.empty() && !config_.single;
}

/// New files are for new connections. Where they cannot be used the old ones stay.
awaitable<void> server::reload_tls() {
  reloading_ = true;
  report_->reloading();
  while (std::exchange(reload_again_, false)) {
    if (!tls_) {
      log_.info("SIGHUP: TLS is off, so there is nothing to reload");
      continue;
    }
    const auto result = std::make_shared<reloaded>();
    const auto config = std::make_shared<const config::server_config>(config_);
    io::worker thread(executor_);
    io::worker::job read = [result, config] { return load(*config, *result); };
    const auto done = co_await thread.run(std::move(read), io::clock::now() + reload_time);
    if (done == 0 && result->tls) {
      tls_ = result->tls;
      connections_.set_tls(tls_);
      log_.info("the files of TLS were reloaded");
    } else {
      log_.error("{}; what was read before is still used",
                 done == 0 ? result->why : "TLS: the files cannot be read, it takes too long");
    }
  }
  reloading_ = false;
  report_->ready_again();
}

}  // namespace nbdstream
