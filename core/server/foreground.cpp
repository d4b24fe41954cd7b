// SPDX-License-Identifier: BSD-3-Clause
#include "server/foreground.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace nbdstream {
namespace {

/// While it is blocked, a process in the background may write to its terminal, and may change whom
/// the terminal listens to. Otherwise it would be stopped for that.
void block_sigttou(bool block) noexcept {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTTOU);
  ::pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace

void foreground::open() {
  terminal_.reset(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
}

bool foreground::ours() const noexcept {
  return terminal_ && ::tcgetpgrp(terminal_.get()) == ::getpgrp();
}

void foreground::give(pid_t group) noexcept {
  given();
  ::tcsetpgrp(terminal_.get(), group);
}

void foreground::given() noexcept {
  given_ = true;
  block_sigttou(true);  // our log goes on
}

void foreground::take_back(pid_t group) noexcept {
  if (!given_) return;
  given_ = false;
  const pid_t current = ::tcgetpgrp(terminal_.get());
  // A shell in `group` may have given it on, and have been killed before it took it back.
  const bool gone = current > 0 && ::kill(-current, 0) != 0 && errno == ESRCH;
  if (current == group || gone) ::tcsetpgrp(terminal_.get(), ::getpgrp());
  block_sigttou(false);
}

}  // namespace nbdstream
