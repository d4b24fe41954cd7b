// SPDX-License-Identifier: BSD-3-Clause
#include "process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>

#include <csignal>
#include <stdexcept>
#include <utility>

namespace nbdstream {

void occupy_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY);
  }
}

std::optional<int> run_to_its_end(asio::io_context& loop, awaitable<int> all, log::logger& log) {
  std::optional<int> status;
  asio::co_spawn(loop, std::move(all), [&](std::exception_ptr failed, int result) {
    // What has ended as it should is not to be ended by a signal while it is taken apart.
    sigset_t signals;
    ::sigfillset(&signals);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    loop.stop();
    if (!failed) status = result;
  });
  try {
    loop.run();
  } catch (const std::exception& e) {
    log.error("internal error: {}", e.what());
  }
  return status;
}

void exit_with_parent() {
  const auto parent = ::getppid();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) std::raise(SIGTERM);  // it went away in between
}

void prepare_signals() {
  // A reader that goes away, a limit on the size of files: errors of the write that meets them.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  // Whoever started us may have ignored it: then no child's exit status could be had.
  std::signal(SIGCHLD, SIG_DFL);
  // Whoever started us may have blocked some, and SIGTERM is to end us.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

systemd::notifier find_manager(log::logger& log) {
  try {
    return systemd::notifier::take_from_environment();
  } catch (const std::invalid_argument& e) {
    log.warning("{}", e.what());
    return {};
  }
}

void direct(log::logger& log, const config::server_config& config) {
  log.configure(config.log_level, config.log_format);
  if (config.log_to) {
    if (*config.log_to == log::target::journal && !log.use_journal()) {
      log.warning("--log journal: no program listens on {}; the log goes to stderr",
                  log::journal::usual_path);
    }
  } else if (config.log_format == log::format::text && log::is_journal_stream(STDERR_FILENO)) {
    static_cast<void>(log.use_journal());
  }
}

}  // namespace nbdstream
