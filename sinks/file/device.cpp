// SPDX-License-Identifier: BSD-3-Clause
#include "device.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <nbdstream/sink.hpp>

#include "../medium/uninterrupted.hpp"

namespace nbdstream::file {
namespace {

medium::descriptor open_alone(const std::string& path, int access) {
  // Without O_CREAT, O_EXCL is for block devices: it refuses one that is in use.
  medium::descriptor fd(::open(path.c_str(), access | O_EXCL | O_CLOEXEC | O_NOCTTY));
  if (!fd && errno == EBUSY)
    throw sink_error(EBUSY, path + " is in use: it is mounted, or a part of something that is");
  if (!fd) throw std::system_error(errno, std::system_category(), path + ": cannot be opened");
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0 || !S_ISBLK(status.st_mode))
    throw sink_error(ESTALE, path + " was exchanged while it was opened");
  return fd;
}

/// Of a page, so that none of the cache is zeroed in part; or of a sector, if that is larger.
std::uint64_t alignment_of(int fd) {
  int sector = 0;
  if (::ioctl(fd, BLKSSZGET, &sector) < 0) sector = 512;
  return static_cast<std::uint64_t>(std::max<long>(::sysconf(_SC_PAGESIZE), sector));
}

}  // namespace

void device::check(const std::string& path) {
  if (::eaccess(path.c_str(), W_OK) < 0)
    throw std::system_error(errno, std::system_category(), path + " cannot be written to");
  (void)open_alone(path, O_RDONLY);
}

device::device(const std::string& path)
    : fd_(open_alone(path, O_WRONLY)), zeroes_(alignment_of(fd_.get())) {
  const auto end = ::lseek(fd_.get(), 0, SEEK_END);
  if (end < 0 || ::lseek(fd_.get(), 0, SEEK_SET) != 0)
    throw std::system_error(errno, std::system_category(), path + ": has no size");
  size_ = static_cast<std::uint64_t>(end);
}

std::int64_t device::zero(std::uint64_t length) {
  const auto at = ::lseek(fd_.get(), 0, SEEK_CUR);
  if (at < 0) return -errno;
  if (length > size_ - static_cast<std::uint64_t>(at)) return -ENOSPC;
  return zeroes_.put(fd_.get(), length);
}

int device::finish(bool sync) noexcept {
  const auto push = [&] { return ::fsync(fd_.get()); };
  const int synced = sync && medium::uninterrupted(push) < 0 ? -errno : 0;
  const int closed = fd_.close();
  return synced != 0 ? synced : closed;
}

}  // namespace nbdstream::file
