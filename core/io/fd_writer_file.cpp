// SPDX-License-Identifier: BSD-3-Clause
//
// The bytes of a file: by reference to a pipe, in the kernel to another file, else copied.
#include "io/fd_writer.hpp"
#include "io/spill_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace nbdstream::io {
namespace {

constexpr std::uint64_t copy_piece = 256 << 10;  // bytes
constexpr std::uint64_t kernel_piece = 8 << 20;  // bytes, after which `stop` is looked at

/// Whether a call says that it does not work between these two files, so that copying may.
/// EBADF: copy_file_range to a file that is appended to.
bool try_otherwise(std::int64_t result) {
  return result == -EXDEV || result == -EOPNOTSUPP || cannot_splice(static_cast<int>(-result));
}

}  // namespace

/// Shared with jobs on the thread. They return 0 when nothing is left, or -errno.
struct fd_writer::file_source {
  int from = -1;
  int to = -1;
  std::uint64_t offset = 0;
  std::uint64_t left = 0;
  const std::atomic<bool>* stop = nullptr;
  bool ranges = true;  ///< copy_file_range has not been refused
  std::unique_ptr<std::byte[]> buffer;

  void advance(std::uint64_t count) {
    offset += count;
    left -= count;
  }
  [[nodiscard]] std::size_t piece() const { return std::min(left, copy_piece); }

  static std::int64_t splice(file_source& s);
  static std::int64_t copy_in_kernel(file_source& s);
  /// Reads a piece into the buffer.
  static std::int64_t read(file_source& s);
};

std::int64_t fd_writer::file_source::splice(file_source& s) {
  while (s.left > 0) {
    if (s.stop->load(std::memory_order_relaxed)) return -ECANCELED;
    auto at = static_cast<off64_t>(s.offset);
    const auto n = ::splice(s.from, &at, s.to, nullptr, std::min(s.left, kernel_piece),
                            SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0 ? -EIO : -errno;
    s.advance(static_cast<std::uint64_t>(n));
  }
  return 0;
}

std::int64_t fd_writer::file_source::copy_in_kernel(file_source& s) {
  while (s.left > 0) {
    if (s.stop->load(std::memory_order_relaxed)) return -ECANCELED;
    auto at = static_cast<off64_t>(s.offset);
    const auto piece = std::min(s.left, kernel_piece);
    const auto n = s.ranges ? ::copy_file_range(s.from, &at, s.to, nullptr, piece, 0)
                            : ::sendfile(s.to, s.from, &at, piece);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      s.advance(static_cast<std::uint64_t>(n));
    } else if (s.ranges && (n == 0 || try_otherwise(-errno))) {
      s.ranges = false;
    } else {
      return n == 0 ? -EIO : -errno;
    }
  }
  return 0;
}

std::int64_t fd_writer::file_source::read(file_source& s) {
  return read_at(s.from, s.offset, std::span(s.buffer.get(), s.piece()));
}

fd_writer::file_way fd_writer::choose_file_way(int fd, bool copy_only) {
  const auto type = copy_only ? 0 : type_of(fd);
  if (S_ISFIFO(type)) return file_way::spliced;
  if (S_ISREG(type) || S_ISBLK(type)) return file_way::in_kernel;
  // A socket, too: pages handed to it sit in the receive queue of a peer on this machine, where
  // nobody can tell when they were taken.
  return file_way::copied;
}

awaitable<error_code> fd_writer::send_file(int from, std::uint64_t offset, std::uint64_t count) {
  if (!source_) source_ = std::make_shared<file_source>();
  source_->from = from;
  source_->to = fd_;
  source_->offset = offset;
  source_->left = count;
  source_->stop = &stop_;
  if (file_way_ != file_way::copied) {
    const bool splices = file_way_ == file_way::spliced;
    spliced_ = spliced_ || splices;
    const auto result = co_await run(splices ? file_source::splice : file_source::copy_in_kernel);
    if (!try_otherwise(result)) co_return to_error(result);
    file_way_ = file_way::copied;
  }
  co_return co_await copy_file();
}

awaitable<std::int64_t> fd_writer::run(file_step step) {
  for (;;) {
    if (stop_) co_return -ECANCELED;
    worker::job job = [source = source_, step] { return step(*source); };
    const auto result = co_await thread_.run(std::move(job));
    if (result != -EAGAIN) co_return result;
    const auto error = co_await wait_for_room();
    if (error) co_return -ECANCELED;
  }
}

awaitable<error_code> fd_writer::copy_file() {
  auto& s = *source_;
  if (!s.buffer) s.buffer = std::make_unique_for_overwrite<std::byte[]>(copy_piece);
  while (s.left > 0) {
    const auto result = co_await run(file_source::read);
    if (result < 0) co_return to_error(result);
    const std::span<const std::byte> piece(s.buffer.get(), s.piece());
    const auto error = co_await write(piece);
    if (error) co_return error;
    s.advance(piece.size());
  }
  co_return error_code{};
}

std::uint64_t fd_writer::in_transit() const noexcept {
  if (!spliced_) return 0;
  int held = 0;
  if (::ioctl(fd_, FIONREAD, &held) != 0 || held < 0) return UINT64_MAX;
  return static_cast<std::uint64_t>(held);
}

}  // namespace nbdstream::io
