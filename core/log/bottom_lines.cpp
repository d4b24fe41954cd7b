// SPDX-License-Identifier: BSD-3-Clause
#include "log/bottom_lines.hpp"

#include "log/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <string>

namespace nbdstream::log {
namespace {

constexpr std::string_view erase_to_end_of_line = "\x1b[K";
constexpr std::string_view erase_to_end_of_screen = "\x1b[J";

/// The same terminal, opened anew so as never to block: the descriptor that we were given is shared
/// with others, to whom that would happen, too.
int open_again(int terminal) {
  const auto path = "/proc/self/fd/" + std::to_string(terminal);
  const int fd = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return fd >= 0 ? fd : ::fcntl(terminal, F_DUPFD_CLOEXEC, 3);
}

bool is_ready(int fd) noexcept {
  pollfd ready{fd, POLLOUT, 0};
  return ::poll(&ready, 1, 0) == 1;
}

}  // namespace

bottom_lines::bottom_lines(int terminal) : fd_(open_again(terminal)) {}

bottom_lines::~bottom_lines() {
  erase();
  if (fd_ >= 0) ::close(fd_);
}

std::string bottom_lines::go_to_begin() const {
  if (rows_ == 0) return "";
  const auto up = rows_ > 1 ? "\x1b[" + std::to_string(rows_ - 1) + "A" : std::string();
  return "\r" + up;
}

void bottom_lines::draw(const std::vector<std::string>& lines) {
  const std::lock_guard lock(mutex_);
  if (!is_ready(fd_)) return;
  auto text = go_to_begin();
  drawn_.clear();
  for (const auto& line : lines) {
    if (!drawn_.empty()) drawn_ += "\r\n";
    drawn_.append(line).append(erase_to_end_of_line);
  }
  text.append(drawn_).append(erase_to_end_of_screen);
  rows_ = lines.size();
  write_or_drop(fd_, text, {});
}

void bottom_lines::erase() noexcept try {
  const std::lock_guard lock(mutex_);
  if (rows_ == 0) return;
  const auto text = go_to_begin().append(erase_to_end_of_screen);
  write_or_drop(fd_, text);
  rows_ = 0;
  drawn_.clear();
} catch (...) {
  // Only out of memory comes here, and then the lines stay.
}

void bottom_lines::leave() noexcept {
  const std::lock_guard lock(mutex_);
  rows_ = 0;
  drawn_.clear();
}

void bottom_lines::write_above(std::string_view lines) noexcept try {
  const std::lock_guard lock(mutex_);
  auto text = go_to_begin();
  if (rows_ > 0) text += erase_to_end_of_screen;
  text.append(lines).append(drawn_);
  write_or_drop(fd_, text);
} catch (...) {
  // Only out of memory comes here, and then the lines are lost.
}

}  // namespace nbdstream::log
