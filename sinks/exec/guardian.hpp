// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_EXEC_GUARDIAN_HPP
#define NBDSTREAM_SINKS_EXEC_GUARDIAN_HPP

#include <sys/types.h>

#include <chrono>

#include "../medium/descriptor.hpp"

namespace nbdstream::exec {

/// A process that has the write end of a command's input open as well, so that the command sees no
/// end of file when we are killed, or crash: it terminates the command then, as an abort does.
///
/// A signal to the command at our death (PR_SET_PDEATHSIG) would come too late, since the kernel
/// closes the descriptors of a process first, and would reach the shell only.
///
/// It is a fork that runs on, not a program of its own: a module does not know where such a program
/// would be installed, and a child from before exec needs none of what may be missing then. The
/// price: pages that we change while it is there are copied, and it keeps the old ones.
class guardian {
 public:
  guardian() = default;
  guardian(const guardian&) = delete;
  guardian& operator=(const guardian&) = delete;
  ~guardian() { release(); }

  /// For the pipe `write_end` and the process group that reads it, which gets SIGTERM, and SIGKILL
  /// after `grace`. Returns once it is on guard, and no signal to our process group can end it with
  /// us: before that the command must not run. Throws sink_error.
  void start(int write_end, pid_t group, std::chrono::milliseconds grace);

  /// SIGTERM has been sent: it sends SIGKILL after `grace` even if its parent, though alive, does
  /// not come to it, as where the host has given the abort up.
  void tell_of_abort() noexcept;

  /// Ends it, and so its hold on the pipe.
  void release() noexcept;

 private:
  pid_t pid_ = -1;
  medium::descriptor lifeline_;  // nobody else has this end of it
};

}  // namespace nbdstream::exec

#endif
