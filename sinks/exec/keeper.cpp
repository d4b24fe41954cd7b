// SPDX-License-Identifier: BSD-3-Clause
#include "keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>

#include "fork.hpp"

namespace nbdstream::exec {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// There is no event for the end of a group.
void wait_for_the_end_of(pid_t group, clock::time_point until) noexcept {
  while (::kill(-group, 0) == 0 && clock::now() < until) ::poll(nullptr, 0, 20);
}

/// In the child, with all signals blocked for good.
void keep(int write_end, int lifeline, pid_t group, std::chrono::milliseconds grace) noexcept {
  ::setsid();
  (void)::prctl(PR_SET_NAME, "nbdstream-exec");
  if (::dup2(lifeline, 0) < 0 || ::dup2(write_end, 1) < 0) return;
  (void)::close_range(2, ~0U, 0);
  pollfd entry{0, 0, 0};
  while (::poll(&entry, 1, -1) <= 0) continue;
  (void)::kill(-group, SIGTERM);
  (void)::kill(-group, SIGCONT);
  wait_for_the_end_of(group, clock::now() + grace);
  (void)::kill(-group, SIGKILL);
  wait_for_the_end_of(group, clock::now() + 1s);
}

}  // namespace

void keeper::start(int write_end, pid_t group, std::chrono::milliseconds grace) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) fail_to_start(errno);
  const medium::descriptor theirs(ends[0]);
  lifeline_ = medium::descriptor(ends[1]);
  pid_ = fork_to([&] { keep(write_end, theirs.get(), group, grace); });
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
