// SPDX-License-Identifier: BSD-3-Clause
#include "before_getpeername.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace sink_tests {

std::function<void()> before_getpeername;

}  // namespace sink_tests

/// In place of the one of libc, for the sinks as well: this program exports its symbols.
extern "C" int getpeername(int fd, sockaddr* address, socklen_t* length) noexcept {
  if (const auto hook = std::exchange(sink_tests::before_getpeername, nullptr)) hook();
  return static_cast<int>(::syscall(SYS_getpeername, fd, address, length));
}
