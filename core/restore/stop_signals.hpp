// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_STOP_SIGNALS_HPP
#define NBDSTREAM_RESTORE_STOP_SIGNALS_HPP

#include "io/unique_fd.hpp"

namespace nbdstream::restore {

/// SIGINT, SIGTERM and SIGHUP as exceptions, thrown where the program can let go of what it holds:
/// they are blocked, and looked for where it waits and between two pieces of its work. One that
/// whoever started us ignores, as nohup does, stays ignored.
class stop_signals {
 public:
  stop_signals();

  /// Throws `stopped` if one has come.
  void check() const;
  /// Waits until `fd` is ready for `events`, as poll(2) names them, or throws `stopped`. Returns
  /// what it is ready for.
  short wait(int fd, short events) const;

 private:
  [[noreturn]] void stop() const;

  io::unique_fd fd_;
};

}  // namespace nbdstream::restore
#endif
