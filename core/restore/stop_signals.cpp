// SPDX-License-Identifier: BSD-3-Clause
#include "restore/stop_signals.hpp"

#include "restore/failure.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace nbdstream::restore {
namespace {

bool is_ignored(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

stop_signals::stop_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (!is_ignored(signal)) ::sigaddset(&set, signal);
  }
  ::sigprocmask(SIG_SETMASK, &set, nullptr);
  fd_ = io::unique_fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) fail_with_errno("signals", "cannot be waited for");
}

void stop_signals::check() const {
  pollfd waiting{fd_.get(), POLLIN, 0};
  if (::poll(&waiting, 1, 0) == 1) stop();
}

short stop_signals::wait(int fd, short events) const {
  for (;;) {
    std::array<pollfd, 2> waiting{{{fd_.get(), POLLIN, 0}, {fd, events, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      fail_with_errno("poll", "waiting failed");
    }
    if (waiting[0].revents != 0) stop();
    if (waiting[1].revents != 0) return waiting[1].revents;
  }
}

void stop_signals::stop() const {
  signalfd_siginfo info{};
  const auto count = ::read(fd_.get(), &info, sizeof info);
  throw stopped{count == sizeof info ? static_cast<int>(info.ssi_signo) : SIGTERM};
}

}  // namespace nbdstream::restore
