// SPDX-License-Identifier: BSD-3-Clause
#include "log/journal.hpp"

#include "log/utf8.hpp"
#include "log/visible.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <variant>

namespace nbdstream::log {
namespace {

/// How long one event may wait for a journal that is busy.
constexpr timeval patience{0, 20'000};  // microseconds

sockaddr_un address_of(const std::string& path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

/// The levels of syslog(3).
constexpr int priority(level l) {
  switch (l) {
    case level::error: return 3;
    case level::warning: return 4;
    case level::info: return 6;
    case level::debug: return 7;
  }
  return 6;
}

bool is_plain(std::string_view text) {
  while (!text.empty()) {
    const auto length = sequence_length(text);
    if (length == 0 || static_cast<unsigned char>(text.front()) < 0x20) return false;
    text.remove_prefix(length);
  }
  return true;
}

/// "NAME=value", or, where the value is not plain text, the name, the length and the bytes.
void append(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (is_plain(value)) {
    out += '=';
  } else {
    out += '\n';
    // 64 bits, the lowest first, on any machine
    for (std::uint64_t left = value.size(), i = 0; i < 8; ++i, left >>= 8U) {
      out += static_cast<char>(left & 0xffU);
    }
  }
  out += value;
  out += '\n';
}

/// "sent_bytes" becomes NBDSTREAM_SENT_BYTES.
std::string name_in_journal(std::string_view name) {
  std::string made = "NBDSTREAM_";
  for (const char c : name) made += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return made;
}

std::string value_of(const field& f) {
  if (const auto* const text = std::get_if<std::string_view>(&f.value)) return std::string(*text);
  if (const auto* const real = std::get_if<double>(&f.value)) return fmt::format("{:.3f}", *real);
  return std::to_string(std::get<std::uint64_t>(f.value));
}

/// No longer than allowed, and no character in part.
std::string cut(std::string text) {
  if (text.size() <= journal::longest_text) return text;
  auto end = journal::longest_text;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) --end;
  const auto rest = text.size() - end;
  text.resize(end);
  return text + fmt::format(" [{} bytes more were cut off]", rest);
}

}  // namespace

journal::journal(std::string path)
    : path_(std::move(path)), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

journal::~journal() {
  if (fd_ >= 0) ::close(fd_);
}

bool journal::is_there() const noexcept {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto to = address_of(path_);
  const bool there = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  if (fd >= 0) ::close(fd);
  return there;
}

bool journal::send(level l, std::string_view text, fields about) const noexcept try {
  std::string visible;
  append_visible(visible, text);
  std::string event;
  append(event, "MESSAGE", cut(std::move(visible)));
  append(event, "PRIORITY", std::to_string(priority(l)));
  append(event, "SYSLOG_IDENTIFIER", "nbdstream");
  for (const auto& f : about) append(event, name_in_journal(f.name), cut(value_of(f)));
  // By its path each time: a journal that was started anew is found.
  const auto to = address_of(path_);
  ssize_t sent = 0;
  do {
    sent = ::sendto(fd_, event.data(), event.size(), MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&to), sizeof to);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
} catch (...) {
  return false;  // out of memory
}

bool is_journal_stream(int fd) noexcept try {
  const char* const named = std::getenv("JOURNAL_STREAM");
  struct stat found {};
  if (!named || ::fstat(fd, &found) != 0) return false;
  return named == fmt::format("{}:{}", found.st_dev, found.st_ino);
} catch (...) {
  return false;
}

}  // namespace nbdstream::log
