// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RECEIPT_FILE_HPP
#define NBDSTREAM_RECEIPT_FILE_HPP

#include "io/unique_fd.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace nbdstream::receipt {

/// The file of one receipt, on its way to being there: `path`.partial before the commit, and `path`
/// after it. All calls block, and are for a thread of their own. Each returns 0 or -errno.
class file {
 public:
  explicit file(std::string path);
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  /// Leaves behind what is there: see drop().
  ~file() = default;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const std::string& partial() const noexcept { return partial_; }

  /// A stream begins: an older receipt goes, which is not of this one, and what a process has left
  /// behind. `found_partial` tells whether there was such a thing. -EBUSY: another process is
  /// writing it.
  [[nodiscard]] std::int64_t clear(bool& found_partial);
  /// The same without the older receipt.
  [[nodiscard]] std::int64_t clear_partial(bool& found);
  /// Whether a receipt could be written: makes the partial file, and removes it.
  [[nodiscard]] std::int64_t try_out();

  /// Puts `text` on the disk under the partial name, with room for the more that finish() may
  /// write. After a failure nothing is left of it.
  [[nodiscard]] std::int64_t prepare(std::string_view text);
  /// Replaces it by the final text, and gives it its name. State: prepare() has succeeded.
  [[nodiscard]] std::int64_t finish(std::string_view text);
  /// Removes the partial file, if there is one of ours.
  void drop() noexcept;

  /// From any thread: nobody waits any longer for the call that is running, which then leaves
  /// nothing behind.
  void abandon() noexcept { abandoned_ = true; }

 private:
  /// -EEXIST, -EISDIR: at `path` is something else than a receipt, or nothing yet: a FIFO, a
  /// device, somebody's file. It is not replaced.
  [[nodiscard]] std::int64_t look_for_another_file() const;
  [[nodiscard]] std::int64_t create();
  [[nodiscard]] std::int64_t write(std::string_view text, std::uint64_t room);
  [[nodiscard]] std::int64_t sync_directory() const;

  std::string path_;
  std::string partial_;
  io::unique_fd partial_file_;  ///< locked, so that no other process takes it for left behind
  std::atomic<bool> abandoned_ = false;
};

}  // namespace nbdstream::receipt
#endif
