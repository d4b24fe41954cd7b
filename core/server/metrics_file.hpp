// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_METRICS_FILE_HPP
#define NBDSTREAM_SERVER_METRICS_FILE_HPP

#include "io/worker.hpp"
#include "log/log.hpp"

#include <cstdint>
#include <string>

namespace nbdstream {

/// The file of --metrics-file. It is always complete: each new one replaces the one before, on a
/// thread, so that a disk that hangs stops nothing. What fails is a warning, once.
class metrics_file {
 public:
  /// Makes the file at a path have this content, or returns -errno. Blocks.
  using replace_call = std::int64_t (*)(const std::string& path, const std::string& text);
  static std::int64_t replace_file(const std::string& path, const std::string& text);

  /// `log` is borrowed. `call`: for tests.
  metrics_file(const asio::any_io_executor& executor, std::string path, log::logger& log,
               replace_call call = replace_file);

  /// Waits until the file has this content, or cannot have it. One at a time.
  [[nodiscard]] awaitable<void> write(std::string text);
  /// The same for the last time, also while write() is under way, which then ends, too: waits a few
  /// seconds at most.
  [[nodiscard]] awaitable<void> write_last(std::string text);

 private:
  [[nodiscard]] awaitable<void> replace(std::string text, io::clock::time_point until);
  void warn(int error);

  std::string path_;
  log::logger& log_;
  replace_call call_;
  io::worker worker_;
  io::condition written_;
  bool warned_ = false;
};

}  // namespace nbdstream
#endif
