// SPDX-License-Identifier: BSD-3-Clause
#include "listener.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>

#include "host.hpp"

namespace sink_tests {
namespace {

bool comes_in(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) == 1;
}

void require(bool success, const char* what) {
  if (!success) throw std::runtime_error(what);
}

}  // namespace

listener listener::at(const std::string& path, int backlog) {
  listener made;
  made.socket_ = descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  const int fd = made.socket_.get();
  require(::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0, "bind failed");
  require(::listen(fd, backlog) == 0, "listen failed");
  return made;
}

listener listener::on_loopback(int family, int backlog) {
  listener made;
  made.socket_ = descriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  const auto* name =
      family == AF_INET ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  const socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
  const int fd = made.socket_.get();
  require(::bind(fd, name, size) == 0, "bind failed");
  require(::listen(fd, backlog) == 0, "listen failed");
  return made;
}

descriptor listener::accept() const {
  if (!comes_in(socket_.get())) ADD_FAILURE() << "nobody connected";
  return descriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

std::string listener::port() const {
  sockaddr_in6 name{};  // its port is where that of IPv4 is
  socklen_t size = sizeof name;
  require(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0, "no name");
  return std::to_string(ntohs(name.sin6_port));
}

int next_from(int socket) {
  if (!comes_in(socket)) return -ETIMEDOUT;
  char buffer[65536];
  const ssize_t length = ::recv(socket, buffer, sizeof buffer, MSG_DONTWAIT);
  return length < 0 ? -errno : static_cast<int>(length);
}

}  // namespace sink_tests
