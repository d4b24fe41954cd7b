// SPDX-License-Identifier: BSD-3-Clause
#include "control_client.hpp"

#include "io/unique_fd.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace nbdstream {
namespace {

namespace http = boost::beast::http;

/// Of an answer: the status of all exports, with their maps and histories.
constexpr std::uint64_t longest_answer = 64 << 20;  // bytes

/// EAGAIN is what a wait that took too long ends with.
[[noreturn]] void fail_to_talk(const std::string& path, int error_number) {
  throw control_error(fmt::format("{}: {}", path,
                                  error_number == EAGAIN
                                      ? "nbdstream does not answer in time"
                                      : std::string(std::strerror(error_number))));
}

[[noreturn]] void fail_to_connect(const std::string& path, int error_number) {
  const char* help = "";
  switch (error_number) {
    case ENOENT: help = "; is nbdstream running, with --control and this path?"; break;
    case ECONNREFUSED: help = "; the nbdstream that listened there has ended"; break;
    case EACCES: help = "; it is another user's: see --control-mode"; break;
    case EAGAIN: fail_to_talk(path, EAGAIN);
    default: break;
  }
  throw control_error(fmt::format("{}: {}{}", path, std::strerror(error_number), help));
}

void limit_waits(int fd, std::chrono::nanoseconds time) {
  // Rounded up: 0 would mean no limit.
  const auto all = std::chrono::ceil<std::chrono::microseconds>(time).count();
  const timeval limit{all / 1'000'000, all % 1'000'000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

io::unique_fd connect_to(const std::string& path, std::optional<std::chrono::nanoseconds> time) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail_to_connect(path, ENAMETOOLONG);
  path.copy(address.sun_path, path.size());
  io::unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd && time) limit_waits(fd.get(), *time);
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail_to_connect(path, errno);
  return fd;
}

/// What cannot be sent is a server that has gone, or one that has answered without reading all: the
/// answer, or the end instead of one, tells.
void send_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return;
    } else if (errno != EINTR) {
      fail_to_talk(path, errno);
    }
  }
}

control_reply receive(int fd, const std::string& path) {
  http::response_parser<http::string_body> parser;
  parser.body_limit(longest_answer);
  parser.eager(true);
  std::string unparsed;
  std::array<char, 16384> piece;
  while (!parser.is_done()) {
    const auto n = ::recv(fd, piece.data(), piece.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != ECONNRESET) fail_to_talk(path, errno);
    if (n <= 0) {
      throw control_error(fmt::format(
          "{}: nbdstream has ended, or closed the connection, without an answer", path));
    }
    unparsed.append(piece.data(), static_cast<std::size_t>(n));
    boost::system::error_code failed;
    unparsed.erase(0, parser.put(boost::asio::buffer(unparsed), failed));
    if (failed && failed != http::error::need_more) {
      throw control_error(
          fmt::format("{}: what answers there is not nbdstream: {}", path, failed.message()));
    }
  }
  auto message = parser.release();
  return {message.result_int(), std::move(message.body())};
}

}  // namespace

control_reply ask_control(const std::string& path, const std::string& method,
                          const std::string& target, const std::string& body,
                          std::optional<std::chrono::nanoseconds> time) {
  const auto fd = connect_to(path, time);
  const auto text = fmt::format(
      "{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
      method, target, body.size(), body);
  send_all(fd.get(), text, path);
  return receive(fd.get(), path);
}

}  // namespace nbdstream
