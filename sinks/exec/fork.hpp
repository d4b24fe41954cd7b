// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_EXEC_FORK_HPP
#define NBDSTREAM_SINKS_EXEC_FORK_HPP

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
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

/// Closes all descriptors from `first` on; with CLOSE_RANGE_CLOEXEC, exec does that. The kernel,
/// or a filter of system calls, may be older than close_range; then as many as programs have.
/// Async-signal-safe.
inline void close_from(int first, unsigned flags) noexcept {
  if (::close_range(static_cast<unsigned>(first), ~0U, static_cast<int>(flags)) == 0) return;
  constexpr rlim_t most = 1 << 20;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) limit.rlim_cur = most;
  const auto end = static_cast<int>(std::min(limit.rlim_cur, most));
  for (int fd = first; fd < end; ++fd)
    (void)((flags & CLOSE_RANGE_CLOEXEC) != 0 ? ::fcntl(fd, F_SETFD, FD_CLOEXEC) : ::close(fd));
}

/// One byte over a socket between a process and its child. Async-signal-safe.
inline bool send_byte(int socket) noexcept {
  return ::send(socket, "", 1, MSG_NOSIGNAL) == 1;
}

/// Waits for one; false: the other side has ended, and closed its end with that.
inline bool receive_byte(int socket) noexcept {
  char byte = 0;
  ssize_t length = 0;
  do length = ::recv(socket, &byte, 1, 0);
  while (length < 0 && errno == EINTR);
  return length == 1;
}

}  // namespace nbdstream::exec

#endif
