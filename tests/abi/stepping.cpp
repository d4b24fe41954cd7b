// SPDX-License-Identifier: BSD-3-Clause
#include "stepping.hpp"

#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "host.hpp"

namespace sink_tests {
namespace {

constexpr int syscall_stop = SIGTRAP | 0x80;  // as PTRACE_O_TRACESYSGOOD marks it

[[noreturn]] void be_traced(const std::function<void()>& body) {
  if (::setpgid(0, 0) < 0 || ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) < 0) ::_exit(1);
  (void)::raise(SIGSTOP);
  body();
  ::_exit(0);
}

/// Lets the process continue to the entry or exit of its next system call. False if it makes no
/// other. `status`: how it stopped or ended.
bool goes_on(pid_t traced, int& status) {
  int signal = 0;
  for (;;) {
    if (::ptrace(PTRACE_SYSCALL, traced, nullptr, signal) < 0) return false;
    if (::waitpid(traced, &status, 0) != traced || !WIFSTOPPED(status)) return false;
    if (WSTOPSIG(status) == syscall_stop) return true;
    signal = WSTOPSIG(status);
  }
}

stepped step(pid_t traced, int calls, victim whom) {
  int status = 0;
  if (::waitpid(traced, &status, 0) != traced || !WIFSTOPPED(status)) return stepped::failed;
  if (::ptrace(PTRACE_SETOPTIONS, traced, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
    return stepped::failed;
  if (!goes_on(traced, status)) return stepped::failed;  // the end of raise()
  for (int stops = 0; stops < 2 * calls + 1; ++stops)
    if (!goes_on(traced, status)) return WIFEXITED(status) ? stepped::ended : stepped::failed;
  (void)::kill(whom == victim::process ? traced : -traced, SIGKILL);
  return ::waitpid(traced, &status, 0) == traced ? stepped::killed : stepped::failed;
}

/// Whether every child of this process ends within `patience`.
bool all_end() {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
    if (ended < 0) return errno == ECHILD;
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (ended == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

stepped kill_after(int calls, victim whom, const std::function<void()>& body) {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return stepped::failed;
  const pid_t traced = ::fork();
  if (traced < 0) return stepped::failed;
  if (traced == 0) be_traced(body);
  const stepped how = step(traced, calls, whom);
  return all_end() ? how : stepped::failed;
}

}  // namespace sink_tests
