// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_PIDFILE_HPP
#define NBDSTREAM_SERVER_PIDFILE_HPP

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

namespace nbdstream {

/// The file of --pidfile: a regular file with the process ID in it, there as long as this is, or
/// until another process replaces it.
class pidfile {
 public:
  pidfile() = default;
  ~pidfile() { remove(); }
  pidfile(const pidfile&) = delete;
  pidfile& operator=(const pidfile&) = delete;

  /// Whether it can be written at `path`, where there may be a regular file or nothing: a device, a
  /// FIFO or a link is nothing to replace. Throws config::error.
  static void check(const std::string& path);

  /// Who waits for the file finds it whole. Throws std::runtime_error.
  void write(const std::string& path);
  /// Where it is still the one that was written.
  void remove() noexcept;

 private:
  std::string path_;
  std::optional<std::pair<dev_t, ino_t>> ours_;
};

}  // namespace nbdstream
#endif
