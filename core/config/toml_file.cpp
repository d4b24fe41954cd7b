// SPDX-License-Identifier: BSD-3-Clause
//
// load_toml(): the file itself. It may be a pipe, as in --config <(...).
#include "config/text.hpp"
#include "config/toml.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace nbdstream::config {
namespace {

constexpr std::size_t largest_file = 16 << 20;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw error(fmt::format("{}: {}; --config needs a TOML file",
                          path.empty() ? quote(path) : printable(path), what));
}

/// Appends what `fd` gives until its end; returns errno, or 0.
int read_all(int fd, std::string& text) {
  char buffer[16384];
  while (text.size() <= largest_file) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return 0;
    if (got > 0) {
      text.append(buffer, static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return EFBIG;
}

}  // namespace

void load_toml(const std::string& path, configuration& into) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, std::strerror(errno));
  std::string text;
  const int fault = read_all(fd, text);
  ::close(fd);
  if (fault != 0) fail(path, std::strerror(fault));
  read_toml(text, path, into);
}

}  // namespace nbdstream::config
