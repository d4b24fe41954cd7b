// SPDX-License-Identifier: BSD-3-Clause
#include "log/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace nbdstream::log {
namespace {

/// Whether `fd` takes anything within what is left until then.
bool writable(int fd, std::chrono::steady_clock::time_point until) noexcept {
  using std::chrono::milliseconds;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    pollfd ready{fd, POLLOUT, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(std::max(left, milliseconds(0)).count()));
    if (count >= 0 || errno != EINTR) return count == 1;
  }
}

}  // namespace

void write_or_drop(int fd, std::string_view text, std::chrono::milliseconds wait) noexcept {
  const auto until = std::chrono::steady_clock::now() + wait;
  while (!text.empty() && writable(fd, until)) {
    // A pipe that poll() finds ready has room for so much; more could wait for its reader.
    const auto piece = text.substr(0, PIPE_BUF);
    const auto written = ::write(fd, piece.data(), piece.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace nbdstream::log
