// SPDX-License-Identifier: BSD-3-Clause
#include "keeper.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
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

/// Waits for something to do; false: the parent is gone.
bool is_told_of_abort(int lifeline) noexcept {
  char word = 0;
  ssize_t length = 0;
  do length = ::recv(lifeline, &word, 1, 0);
  while (length < 0 && errno == EINTR);
  return length == 1;
}

/// All descriptors from `first` on. The kernel, or a filter of system calls, may be older than
/// close_range; then as many as programs have.
void close_from(unsigned first) noexcept {
  if (::close_range(first, ~0U, 0) == 0) return;
  constexpr rlim_t most = 1 << 20;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) limit.rlim_cur = most;
  for (unsigned fd = first; fd < std::min(limit.rlim_cur, most); ++fd)
    (void)::close(static_cast<int>(fd));
}

/// In the child, with all signals blocked for good. `our_end` is the parent's of the lifeline.
void keep(int write_end, int lifeline, int our_end, pid_t group,
          std::chrono::milliseconds grace) noexcept {
  ::setsid();
  (void)::prctl(PR_SET_NAME, "nbdstream-exec");
  // Whatever else stays open: with this one we would wait for ourselves.
  (void)::close(our_end);
  if (::dup2(lifeline, 0) < 0 || ::dup2(write_end, 1) < 0) return;
  close_from(2);
  if (!is_told_of_abort(0)) {
    (void)::kill(-group, SIGTERM);
    (void)::kill(-group, SIGCONT);
  }
  if (lasts(group, clock::now() + grace)) (void)::kill(-group, SIGKILL);
  hold_while_read(1);
}

}  // namespace

void keeper::start(int write_end, pid_t group, std::chrono::milliseconds grace) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) fail_to_start(errno);
  const medium::descriptor its_end(ends[0]);
  lifeline_ = medium::descriptor(ends[1]);
  pid_ = fork_to([&] { keep(write_end, its_end.get(), lifeline_.get(), group, grace); });
}

void keeper::tell_of_abort() noexcept {
  (void)::send(lifeline_.get(), "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void keeper::release() noexcept {
  if (pid_ > 0) {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  pid_ = -1;
  lifeline_.reset();
}

}  // namespace nbdstream::exec
