// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_SUPPORT_LOOP_DEVICE_HPP
#define NBDSTREAM_TESTS_SUPPORT_LOOP_DEVICE_HPP

#include "support/integration_test.hpp"

#include <fcntl.h>

#include <string>

namespace nbdstream::test {

/// A fixture with a block device: a loop device, which only root can make. Where there can be none
/// its cases are skipped.
template <class Base>
class with_loop_device : public Base {
 protected:
  /// The last that SetUp() does.
  void make_device(const std::string& content) {
    write_file(this->path("backing"), content);
    const result made = this->start({"losetup", "--find", "--show", "backing"}).wait();
    if (made.status != 0) GTEST_SKIP() << "no loop device can be made here: " << made.err;
    device_ = made.out.substr(0, made.out.find('\n'));
    held_ = file_descriptor(::open(device_.c_str(), O_RDONLY | O_CLOEXEC));
    // From now on it goes when the last one closes it, whatever becomes of this test.
    EXPECT_TRUE(ended_with(0, this->start({"losetup", "--detach", device_}).wait()));
    if (held_.get() < 0) GTEST_SKIP() << "the loop device cannot be opened here";
  }

  /// What the device holds, as everybody sees it.
  [[nodiscard]] std::string content() const {
    checked(::posix_fadvise(held_.get(), 0, 0, POSIX_FADV_DONTNEED), "fadvise");
    return read_file(device_);
  }

  std::string device_;

 private:
  file_descriptor held_;
};

}  // namespace nbdstream::test
#endif
