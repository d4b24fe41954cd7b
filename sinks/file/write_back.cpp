// SPDX-License-Identifier: BSD-3-Clause
#include "write_back.hpp"

#include <unistd.h>

#include <cerrno>

#include "../medium/uninterrupted.hpp"

namespace nbdstream::file {
namespace {

int sync_range(int fd, off64_t at, off64_t size, unsigned flags) noexcept {
  const auto call = [&] { return ::sync_file_range(fd, at, size, flags); };
  return medium::uninterrupted(call) == 0 ? 0 : -errno;
}

}  // namespace

bool can_write_back(int fd) noexcept {
  // Without flags, the call only looks at its arguments.
  const int status = sync_range(fd, 0, 0, 0);
  return status != -EINVAL && status != -ENOSYS && status != -ESPIPE && status != -EOPNOTSUPP &&
         status != -EPERM;
}

void begin_write_back(int fd, off64_t at, off64_t size) noexcept {
  (void)sync_range(fd, at, size, SYNC_FILE_RANGE_WRITE);
}

int finish_write_back(int fd, off64_t at, off64_t size) noexcept {
  // What was changed after the disk had begun is written, too.
  return sync_range(
      fd, at, size,
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

int write_back(int fd, std::uint64_t begin, std::uint64_t end, const std::atomic<bool>& stop) {
  constexpr off64_t piece = 16 << 20;  // bytes
  if (!can_write_back(fd)) return 0;
  int status = 0;
  for (auto at = static_cast<off64_t>(begin); status == 0 && at < static_cast<off64_t>(end);
       at += piece) {
    if (stop.load(std::memory_order_relaxed)) return -EINTR;
    const off64_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // nothing but a hole
    if (data > at) at = data;
    // The disk gets the next piece while we wait for this one.
    begin_write_back(fd, at + piece, piece);
    status = finish_write_back(fd, at, piece);
  }
  return status;
}

}  // namespace nbdstream::file
