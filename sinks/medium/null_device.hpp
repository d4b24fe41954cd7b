// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_NULL_DEVICE_HPP
#define NBDSTREAM_SINKS_MEDIUM_NULL_DEVICE_HPP

#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace nbdstream::medium {

/// Whether `fd` is an open descriptor of the null device, whatever name it was opened by.
inline bool is_null_device(int fd) noexcept {
  struct stat s {};
  return ::fstat(fd, &s) == 0 && S_ISCHR(s.st_mode) && s.st_rdev == makedev(1, 3);
}

}  // namespace nbdstream::medium

#endif
