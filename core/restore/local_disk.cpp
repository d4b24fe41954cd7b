// SPDX-License-Identifier: BSD-3-Clause
#include "restore/local_disk.hpp"

#include "restore/failure.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace nbdstream::restore {
namespace {

/// What is written where zeroes cannot be had otherwise.
std::span<const std::byte> some_zeroes(std::uint64_t length) {
  static const std::vector<std::byte> zeroes(1 << 20);
  return std::span(zeroes).first(std::min<std::uint64_t>(length, zeroes.size()));
}

}  // namespace

void write_all(int fd, std::uint64_t offset, std::span<const std::byte> data,
               const std::string& name) {
  while (!data.empty()) {
    const auto count = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_with_errno(name, "writing failed");
    data = data.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

local_disk::local_disk(int fd, std::string name, std::uint64_t alignment,
                       const stop_signals& signals)
    : fd_(fd), name_(std::move(name)), signals_(signals), zeroes_(alignment) {}

void local_disk::write(std::uint64_t offset, std::span<const std::byte> data) {
  write_all(fd_, offset, data, name_);
}

void local_disk::zero(std::uint64_t offset, std::uint64_t length) {
  if (length > 0 && ::lseek(fd_, static_cast<off_t>(offset), SEEK_SET) < 0)
    fail_with_errno(name_, "seeking failed");
  while (length > 0) {
    signals_.check();
    auto done = zeroes_.put(fd_, length);
    if (done == -ENOTSUP) {
      const auto zeroes = some_zeroes(length);
      write_all(fd_, offset, zeroes, name_);
      done = static_cast<std::int64_t>(zeroes.size());
    } else if (done < 0) {
      errno = static_cast<int>(-done);
      fail_with_errno(name_, "writing zeroes failed");
    }
    offset += static_cast<std::uint64_t>(done);
    length -= static_cast<std::uint64_t>(done);
  }
}

void local_disk::flush() {
  int status = 0;
  do {
    status = ::fsync(fd_);
  } while (status < 0 && errno == EINTR);
  if (status < 0) fail_with_errno(name_, "what was written did not reach the disk");
  // What is read from now on should come from there.
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
}

void local_disk::read(int from, std::uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    signals_.check();
    const auto count = ::pread(from, into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_with_errno(name_, "reading failed");
    if (count == 0) throw failure(name_ + " has become shorter while it was read");
    into = into.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

}  // namespace nbdstream::restore
