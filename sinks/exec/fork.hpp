// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_EXEC_FORK_HPP
#define NBDSTREAM_SINKS_EXEC_FORK_HPP

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <nbdstream/sink.hpp>
#include <system_error>

namespace nbdstream::exec {

/// EAGAIN of a sink means to be called again, which would only meet the same limit.
[[noreturn]] inline void fail_to_start(int error, const char* what = "cannot start a process") {
  std::string why = std::string(what) + ": " + std::system_category().message(error);
  if (error == EAGAIN) why += " (is the limit of processes reached?)";
  throw sink_error(error == EAGAIN ? ENOMEM : error, why);
}

/// Runs `child`, which never returns, in a new process. It begins with all signals blocked: until
/// it has made itself independent, no handler of ours may run in it. As we may have threads, it may
/// do only what is async-signal-safe. Throws sink_error.
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
  if (pid < 0) fail_to_start(error);
  return pid;
}

}  // namespace nbdstream::exec

#endif
