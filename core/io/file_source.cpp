// SPDX-License-Identifier: BSD-3-Clause
#include "io/file_source.hpp"

#include "io/pipe.hpp"
#include "io/spill_file.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace nbdstream::io {
namespace {

constexpr std::uint64_t copy_piece = 256 << 10;  // bytes
constexpr std::uint64_t kernel_piece = 8 << 20;  // bytes, after which `stop` is looked at
constexpr off_t read_ahead_size = 4 << 20;       // bytes

}  // namespace

/// EBADF: copy_file_range to a file that is appended to.
bool file_source::is_unsupported(std::int64_t result) noexcept {
  return result == -EXDEV || result == -EOPNOTSUPP || cannot_splice(static_cast<int>(-result));
}

void file_source::advance(std::uint64_t count) noexcept {
  offset += count;
  left -= count;
}

std::size_t file_source::piece_size() const noexcept {
  return std::min(left, copy_piece);
}

std::span<const std::byte> file_source::piece() const noexcept {
  return {buffer_.get(), piece_size()};
}

/// Has what stands behind this piece read from the disk, if it is not in memory: most often it is
/// sent next. Once for each piece.
void file_source::read_ahead() noexcept {
  const auto end = offset + left;
  if (std::exchange(read_ahead_of_, end) == end) return;
  ::posix_fadvise(from, static_cast<off_t>(end), read_ahead_size, POSIX_FADV_WILLNEED);
}

std::int64_t file_source::splice() {
  read_ahead();
  while (left > 0) {
    if (stop->load(std::memory_order_relaxed)) return -ECANCELED;
    auto at = static_cast<off64_t>(offset);
    const auto n = ::splice(from, &at, to, nullptr, std::min(left, kernel_piece),
                            SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0 ? -EIO : -errno;
    advance(static_cast<std::uint64_t>(n));
  }
  return 0;
}

std::int64_t file_source::copy_in_kernel() {
  read_ahead();
  while (left > 0) {
    if (stop->load(std::memory_order_relaxed)) return -ECANCELED;
    auto at = static_cast<off64_t>(offset);
    const auto size = std::min(left, kernel_piece);
    const auto n = ranges_ ? ::copy_file_range(from, &at, to, nullptr, size, 0)
                           : ::sendfile(to, from, &at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      advance(static_cast<std::uint64_t>(n));
    } else if (ranges_ && (n == 0 || is_unsupported(-errno))) {
      ranges_ = false;
    } else {
      return n == 0 ? -EIO : -errno;
    }
  }
  return 0;
}

std::int64_t file_source::read() {
  read_ahead();
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(copy_piece);
  return read_at(from, offset, std::span(buffer_.get(), piece_size()));
}

}  // namespace nbdstream::io
