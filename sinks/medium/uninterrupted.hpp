// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_UNINTERRUPTED_HPP
#define NBDSTREAM_SINKS_MEDIUM_UNINTERRUPTED_HPP

#include <cerrno>

namespace nbdstream::medium {

/// Repeats a system call as long as a signal interrupts it: file systems in the network and in user
/// space say EINTR where a disk never does.
template <class Call>
auto uninterrupted(Call call) noexcept {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace nbdstream::medium

#endif
