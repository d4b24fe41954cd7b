// SPDX-License-Identifier: BSD-3-Clause
#include "write_back.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "../medium/uninterrupted.hpp"

namespace nbdstream::file {

int write_back(int fd, std::uint64_t length, const std::atomic<bool>& stop) {
  constexpr off64_t piece = 16 << 20;  // bytes
  const auto end = static_cast<off64_t>(length);
  for (off64_t at = 0; at < end; at += piece) {
    if (stop.load(std::memory_order_relaxed)) return -EINTR;
    const off64_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // nothing but a hole
    if (data > at) at = data;
    // The disk gets the next piece while we wait for this one.
    (void)::sync_file_range(fd, at + piece, piece, SYNC_FILE_RANGE_WRITE);
    const unsigned all =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (medium::uninterrupted([&] { return ::sync_file_range(fd, at, piece, all); }) == 0) continue;
    // What it reports, fsync() may not report again.
    const bool unsupported = errno == EINVAL || errno == ENOSYS || errno == ESPIPE ||
                             errno == EOPNOTSUPP || errno == EPERM;
    return unsupported ? 0 : -errno;
  }
  return 0;
}

}  // namespace nbdstream::file
