// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_FILE_SOURCE_HPP
#define NBDSTREAM_IO_FILE_SOURCE_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace nbdstream::io {

/// A range of a regular file on its way into a descriptor: what one call of fd_writer::send_file()
/// has left to do. Its calls may block; each returns 0 when nothing is left, or -errno: -EAGAIN
/// where the descriptor takes no more now, -ECANCELED soon after `stop` is set, -EIO where the file
/// is too short.
struct file_source {
  int from = -1;
  int to = -1;
  std::uint64_t offset = 0;  ///< bytes, of the file
  std::uint64_t left = 0;    ///< bytes
  const std::atomic<bool>* stop = nullptr;

  /// References to the file's pages, into a pipe.
  [[nodiscard]] std::int64_t splice();
  /// Copies in the kernel, into a file or disk.
  [[nodiscard]] std::int64_t copy_in_kernel();
  /// Reads the next piece into piece().
  [[nodiscard]] std::int64_t read();
  /// State: read() has returned 0.
  [[nodiscard]] std::span<const std::byte> piece() const noexcept;
  void advance(std::uint64_t count) noexcept;

  /// Whether such a result says that it does not work between these two files, so that reading may.
  [[nodiscard]] static bool is_unsupported(std::int64_t result) noexcept;

 private:
  [[nodiscard]] std::size_t piece_size() const noexcept;
  void read_ahead() noexcept;

  std::uint64_t read_ahead_of_ = 0;  ///< the end of the last piece that read_ahead() was for
  bool ranges_ = true;               ///< copy_file_range has not been refused
  std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace nbdstream::io
#endif
