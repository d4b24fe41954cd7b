// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_EXEC_FORK_HPP
#define NBDSTREAM_SINKS_EXEC_FORK_HPP

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace nbdstream::exec {

/// Runs `child`, which never returns, in a new process. It begins with all signals blocked: until
/// it has made itself independent, no handler of ours may run in it. As we may have threads, it may
/// do only what is async-signal-safe. Throws std::system_error.
template <class Child>
pid_t fork_to(Child&& child) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) {
    child();
    ::_exit(127);
  }
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throw std::system_error(error, std::system_category(), "cannot start a process");
  return pid;
}

}  // namespace nbdstream::exec

#endif
