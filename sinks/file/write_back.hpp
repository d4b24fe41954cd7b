// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FILE_WRITE_BACK_HPP
#define NBDSTREAM_SINKS_FILE_WRITE_BACK_HPP

#include <atomic>
#include <cstdint>

namespace nbdstream::file {

/// Has the first `length` bytes of a file go to the disk piece by piece, so that the fsync() to
/// come, which nothing can interrupt, has little left to do. Returns 0, -EINTR soon after `stop`
/// was set, or -errno. Moves the offset of `fd`.
int write_back(int fd, std::uint64_t length, const std::atomic<bool>& stop);

}  // namespace nbdstream::file

#endif
