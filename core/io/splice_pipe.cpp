// SPDX-License-Identifier: BSD-3-Clause
#include "io/splice_pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace nbdstream::io {

splice_pipe::splice_pipe() : ends_(make_pipe(0)) {}

std::int64_t splice_pipe::move(int socket, int file, std::uint64_t count,
                               const std::atomic<bool>& stop) {
  std::uint64_t moved = 0;
  taken_ = 0;
  while (moved < count) {
    if (stop.load(std::memory_order_relaxed)) return -ECANCELED;
    const auto piece = std::min<std::uint64_t>(count - moved, largest_pipe);
    const auto n = ::splice(socket, nullptr, ends_.in.get(), nullptr, piece,
                            SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && moved == 0) {
      unsupported_ = cannot_splice(errno);
      return unsupported_ ? 0 : -errno;
    }
    if (n <= 0) break;  // the next call finds it again
    taken_ += static_cast<std::uint64_t>(n);
    const auto result = empty(file, static_cast<std::uint64_t>(n));
    // What is left in the pipe is lost: this is no "call again".
    if (result < 0) return result == -EAGAIN ? -EIO : result;
    moved += static_cast<std::uint64_t>(n);
  }
  return static_cast<std::int64_t>(moved);
}

std::int64_t splice_pipe::empty(int file, std::uint64_t count) {
  while (count > 0) {
    const auto n = ::splice(ends_.out.get(), nullptr, file, nullptr, count, SPLICE_F_MOVE);
    if (n > 0) {
      count -= static_cast<std::uint64_t>(n);
    } else if (n < 0 && cannot_splice(errno)) {
      unsupported_ = true;  // a file that is appended to, a file system that cannot
      return copy_out(file, count);
    } else if (n == 0 || errno != EINTR) {
      return n == 0 ? -EIO : -errno;
    }
  }
  return 0;
}

std::int64_t splice_pipe::copy_out(int file, std::uint64_t count) {
  std::array<std::byte, 4096> buffer;
  while (count > 0) {
    auto left =
        ::read(ends_.out.get(), buffer.data(), std::min<std::uint64_t>(count, buffer.size()));
    if (left < 0 && errno == EINTR) continue;
    if (left <= 0) return left == 0 ? -EIO : -errno;
    count -= static_cast<std::uint64_t>(left);
    for (const std::byte* at = buffer.data(); left > 0;) {
      const auto n = ::write(file, at, static_cast<std::size_t>(left));
      if (n < 0 && errno != EINTR) return -errno;
      at += std::max<ssize_t>(n, 0);
      left -= std::max<ssize_t>(n, 0);
    }
  }
  return 0;
}

}  // namespace nbdstream::io
