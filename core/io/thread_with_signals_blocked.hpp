// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_THREAD_WITH_SIGNALS_BLOCKED_HPP
#define NBDSTREAM_IO_THREAD_WITH_SIGNALS_BLOCKED_HPP

#include <pthread.h>

#include <csignal>
#include <memory>
#include <thread>
#include <utility>

namespace nbdstream::io {

/// A thread that no signal reaches: they are the business of the one that runs the loop. It
/// inherits a mask that blocks them all, so there is no moment at its beginning. Throws
/// std::system_error.
template <class Body>
[[nodiscard]] std::thread thread_with_signals_blocked(Body&& body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto restore = [](const sigset_t* mask) { ::pthread_sigmask(SIG_SETMASK, mask, nullptr); };
  const std::unique_ptr<sigset_t, decltype(restore)> guard(&before, restore);
  return std::thread(std::forward<Body>(body));
}

}  // namespace nbdstream::io

#endif
