// SPDX-License-Identifier: BSD-3-Clause
#include "holes.hpp"

#include <unistd.h>

#include "../medium/uninterrupted.hpp"

namespace nbdstream::file {

int try_hole(int fd) noexcept {
  constexpr off64_t beyond = 4096;
  const char byte = 0;
  if (medium::uninterrupted([&] { return ::pwrite(fd, &byte, 1, beyond); }) == 1)
    return medium::uninterrupted([&] { return ::ftruncate(fd, 0); }) == 0 ? 0 : errno;
  const bool refused = errno == ESPIPE || errno == EINVAL || errno == EOPNOTSUPP ||
                       errno == ENOSYS || errno == EPERM;
  return refused ? errno : 0;  // A full disk, say, is no answer, and is met again.
}

}  // namespace nbdstream::file
