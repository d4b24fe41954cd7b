// SPDX-License-Identifier: BSD-3-Clause
#include "io/pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace nbdstream::io {

pipe_ends make_pipe(int flags) noexcept {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | flags) != 0) return {};
  pipe_ends made{unique_fd(ends[0]), unique_fd(ends[1])};
  // Less than that is less at a time, and no more.
  for (int size = largest_pipe; size > 0; size /= 2) {
    if (::fcntl(made.in.get(), F_SETPIPE_SZ, size) >= 0) break;
  }
  return made;
}

bool cannot_splice(int error_number) noexcept {
  return error_number == EINVAL || error_number == ENOSYS || error_number == EPERM ||
         error_number == EBADF;
}

}  // namespace nbdstream::io
