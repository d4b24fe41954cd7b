// SPDX-License-Identifier: BSD-3-Clause
#include "guardian.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>

#include "fork.hpp"

namespace nbdstream::exec {
namespace {

using clock = std::chrono::steady_clock;

/// Whether any process of it is there, even one that takes no signal of ours, as under sudo.
bool exists(pid_t group) noexcept {
  return ::kill(-group, 0) == 0 || errno == EPERM;
}

/// Whether the group is there until then; there is no event for its end.
bool lasts(pid_t group, clock::time_point until) noexcept {
  while (exists(group)) {
    if (clock::now() >= until) return true;
    ::poll(nullptr, 0, 20);
  }
  return false;
}

/// However long it takes: whoever is left, signals have not ended, and he would take the end of the
/// pipe for the end of the stream.
void hold_while_read(int write_end) noexcept {
  pollfd entry{write_end, 0, 0};
  while (::poll(&entry, 1, -1) <= 0) continue;
}

/// In the child, with all signals blocked for good. `our_end` is the parent's of the lifeline.
void guard(int write_end, int lifeline, int our_end, pid_t group,
           std::chrono::milliseconds grace) noexcept {
  ::setsid();
  (void)::prctl(PR_SET_NAME, "nbdstream-exec");
  // Whatever else stays open: with this one we would wait for ourselves.
  (void)::close(our_end);
  if (::dup2(lifeline, 0) < 0 || ::dup2(write_end, 1) < 0) return;
  close_from(2, 0);
  (void)send_byte(0);
  const bool told_of_abort = receive_byte(0);
  if (!told_of_abort) {  // the parent is gone
    (void)::kill(-group, SIGTERM);
    (void)::kill(-group, SIGCONT);
  }
  if (lasts(group, clock::now() + grace)) (void)::kill(-group, SIGKILL);
  hold_while_read(1);
}

}  // namespace

void guardian::start(int write_end, pid_t group, std::chrono::milliseconds grace) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) fail_to_start(errno);
  medium::descriptor its_end(ends[0]);
  lifeline_ = medium::descriptor(ends[1]);
  pid_ = fork_to([&] { guard(write_end, its_end.get(), lifeline_.get(), group, grace); });
  its_end.reset();
  if (!receive_byte(lifeline_.get())) fail_to_start(ECHILD, "cannot watch over the command");
}

void guardian::tell_of_abort() noexcept {
  (void)::send(lifeline_.get(), "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void guardian::release() noexcept {
  if (pid_ > 0) {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  pid_ = -1;
  lifeline_.reset();
}

}  // namespace nbdstream::exec
