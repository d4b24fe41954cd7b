// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FILE_DEVICE_HPP
#define NBDSTREAM_SINKS_FILE_DEVICE_HPP

#include <cstdint>
#include <string>

#include "../medium/descriptor.hpp"
#include "zeroes.hpp"

namespace nbdstream::file {

/// A block device, which is written in place.
class device {
 public:
  /// Throws sink_error where the device cannot be opened for us alone: it is mounted, say.
  explicit device(const std::string& path);

  /// The same, to find out whether it can be.
  static void check(const std::string& path);

  [[nodiscard]] int get() const noexcept { return fd_.get(); }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// As sink.h describes it.
  std::int64_t zero(std::uint64_t length);

  /// Makes what was written durable, if that is wanted, and closes it: 0 or -errno.
  int finish(bool sync) noexcept;

 private:
  medium::descriptor fd_;
  std::uint64_t size_ = 0;
  zeroes zeroes_;
};

}  // namespace nbdstream::file

#endif
