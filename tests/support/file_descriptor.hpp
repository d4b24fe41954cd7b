// SPDX-License-Identifier: BSD-3-Clause
//
// A descriptor that is closed with its owner. The tests have their own, so that a defect of the
// product's cannot hide itself.
#ifndef NBDSTREAM_TESTS_SUPPORT_FILE_DESCRIPTOR_HPP
#define NBDSTREAM_TESTS_SUPPORT_FILE_DESCRIPTOR_HPP

#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace nbdstream::test {

/// `result` of a system call, unless it is -1: then an exception that names `what`.
template <class Result>
Result checked(Result result, const std::string& what) {
  if (result == Result{-1}) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int fd) noexcept : fd_(fd) {}
  file_descriptor(file_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~file_descriptor() { reset(); }

  void reset() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace nbdstream::test
#endif
