// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_DESCRIPTOR_HPP
#define NBDSTREAM_SINKS_MEDIUM_DESCRIPTOR_HPP

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace nbdstream::medium {

/// Owns a file descriptor.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    other.reset();
    return *this;
  }
  ~descriptor() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept { (void)close(); }

  /// 0 or -errno; the descriptor is gone either way. Some file systems report here, and only here,
  /// that what was written did not arrive.
  int close() noexcept {
    if (fd_ < 0) return 0;
    return ::close(std::exchange(fd_, -1)) == 0 ? 0 : -errno;
  }

 private:
  int fd_ = -1;
};

}  // namespace nbdstream::medium

#endif
