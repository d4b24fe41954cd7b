// SPDX-License-Identifier: BSD-3-Clause
//
// measure REPORT COMMAND [ARGUMENT]...: runs the command, and writes into the file REPORT what it
// cost. It is its own small process because ru_maxrss of a command counts the memory of whoever
// started it, too, and the driver, in Python, is larger than what it measures. SIGTERM is passed
// on; the exit status is the command's.
//
// REPORT is one line: the monotonic clock at the end, in nanoseconds; the command's user and system
// time, in microseconds; its peak memory, in KiB; and the time again, with all of its descendants.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "posix.hpp"

namespace {

using namespace bench;

volatile pid_t command = 0;

void pass_on(int signal) {
  if (command > 0) kill(command, signal);
}

[[noreturn]] void run(char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execvp(argv[0], argv);
  std::perror(argv[0]);
  _exit(127);
}

/// Waits for the command, and then for what it left behind.
int wait_for_all(rusage& own) {
  int status = 0;
  for (;;) {
    int s = 0;
    rusage usage{};
    const auto pid = wait4(-1, &s, 0, &usage);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return status;
    if (pid != command) continue;
    own = usage;
    status = s;
  }
}

long long microseconds(const timeval& t) {
  return static_cast<long long>(t.tv_sec) * 1'000'000 + t.tv_usec;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) fail("usage: measure REPORT COMMAND [ARGUMENT]...");
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing outlives the driver
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  struct sigaction action {};
  action.sa_handler = pass_on;
  sigaction(SIGTERM, &action, nullptr);
  const auto pid = must_int(fork(), "fork");
  if (pid == 0) run(argv + 2);
  command = pid;
  close(STDIN_FILENO);  // a reader must see the end of the command, not ours
  close(STDOUT_FILENO);
  rusage own{}, all{};
  const int status = wait_for_all(own);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  getrusage(RUSAGE_CHILDREN, &all);
  const int report =
      must_int(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "open");
  dprintf(report, "%lld %lld %lld %ld %lld %lld\n",
          static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec,
          microseconds(own.ru_utime), microseconds(own.ru_stime), own.ru_maxrss,
          microseconds(all.ru_utime), microseconds(all.ru_stime));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
