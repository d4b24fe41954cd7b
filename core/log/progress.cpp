// SPDX-License-Identifier: BSD-3-Clause
#include "log/progress.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace nbdstream::log {
namespace {

/// Two descriptors of one pipe, terminal or file are seldom the same number.
bool same_file(int one, int other) noexcept {
  struct stat a {};
  struct stat b {};
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

}  // namespace

void write_progress(int fd, std::string_view text, format log_format, int log_fd) noexcept try {
  const bool json = log_format == format::json && same_file(fd, log_fd);
  const std::string line =
      json ? render(format::json, level::info, text) : std::string(text) + '\n';
  // A line fits where poll() says so: a pipe that nobody reads must not stop the loop.
  pollfd ready{fd, POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1) return;
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
} catch (...) {
  // Only out of memory comes here, and there is another line in a second.
}

}  // namespace nbdstream::log
