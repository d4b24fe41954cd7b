// SPDX-License-Identifier: BSD-3-Clause
#include "zeroes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace nbdstream::file {
namespace {

// Bytes at once: a disk to which the kernel must write them is done within a second or so, and then
// the host can look whether it is to go on.
constexpr std::uint64_t most = 64 << 20;

std::int64_t write_some(int fd, std::uint64_t length) {
  static constexpr std::array<char, 4096> block{};
  for (;;) {
    const auto n = ::write(fd, block.data(), std::min<std::uint64_t>(length, block.size()));
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

std::int64_t zeroes::put(int fd, std::uint64_t length) {
  if (way_ == way::none) return -ENOTSUP;
  const auto at = ::lseek(fd, 0, SEEK_CUR);
  if (at < 0) return -errno;
  const std::uint64_t past = static_cast<std::uint64_t>(at) % alignment_;
  if (past != 0) return write_some(fd, std::min(length, alignment_ - past));
  if (length < alignment_) return write_some(fd, length);
  const auto whole = std::min(length, std::max(most, alignment_));
  const auto count = static_cast<std::int64_t>(whole - whole % alignment_);
  if (const int status = put_aligned(fd, at, count); status < 0) return status;
  return ::lseek(fd, count, SEEK_CUR) < 0 ? -errno : count;
}

int zeroes::put_aligned(int fd, std::int64_t offset, std::int64_t length) {
  while (way_ != way::none) {
    const int kind = way_ == way::discarded ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
    if (::fallocate(fd, kind | FALLOC_FL_KEEP_SIZE, offset, length) == 0) return 0;
    if (errno == EINTR) continue;
    // EINVAL: a device whose sectors are larger than it says. EPERM: a filter of system calls.
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EPERM) return -errno;
    way_ = way_ == way::discarded ? way::in_kernel : way::none;
  }
  return -ENOTSUP;
}

}  // namespace nbdstream::file
