// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FILE_WRITE_BACK_HPP
#define NBDSTREAM_SINKS_FILE_WRITE_BACK_HPP

#include <fcntl.h>

#include <atomic>
#include <cstdint>

namespace nbdstream::file {

/// Whether the system and the file system can send ranges of the file to the disk.
bool can_write_back(int fd) noexcept;

/// Has the disk begin to write `size` bytes at `at`. May wait while the disk has much to do. An
/// error is no loss yet: finish_write_back() and fsync() report what is. The offset of `fd` stays,
/// here and below.
void begin_write_back(int fd, off64_t at, off64_t size) noexcept;

/// Returns when the same bytes are on the disk: 0 or -errno. What this reports, fsync() on the
/// same open file may not report again.
int finish_write_back(int fd, off64_t at, off64_t size) noexcept;

/// Sends the bytes of a file from `begin` up to `end` to the disk piece by piece, so that the
/// fsync() to come, which nothing can interrupt, has little left to do. Returns 0, -EINTR soon
/// after `stop` was set, or -errno. Moves the offset of `fd`.
int write_back(int fd, std::uint64_t begin, std::uint64_t end, const std::atomic<bool>& stop);

}  // namespace nbdstream::file

#endif
