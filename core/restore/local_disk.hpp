// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_LOCAL_DISK_HPP
#define NBDSTREAM_RESTORE_LOCAL_DISK_HPP

#include "restore/stop_signals.hpp"

#include "../sinks/file/zeroes.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace nbdstream::restore {

/// Writes all of `data`, or throws failure, which begins with `name`.
void write_all(int fd, std::uint64_t offset, std::span<const std::byte> data,
               const std::string& name);

/// The bytes of a file or a block device.
class local_disk {
 public:
  /// Both borrowed. `alignment`: a power of two, from which on zeroes need no writing.
  local_disk(int fd, std::string name, std::uint64_t alignment, const stop_signals& signals);

  void write(std::uint64_t offset, std::span<const std::byte> data);
  /// Without writing them, where that can be done.
  void zero(std::uint64_t offset, std::uint64_t length);
  void flush();
  /// `from`: a descriptor of the same file that can be read.
  void read(int from, std::uint64_t offset, std::span<std::byte> into);

 private:
  int fd_;
  std::string name_;
  const stop_signals& signals_;
  file::zeroes zeroes_;
};

}  // namespace nbdstream::restore
#endif
