// SPDX-License-Identifier: BSD-3-Clause
//
// The addresses that a server can listen on, as sockets.
#include "server/listener.hpp"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <memory>

namespace nbdstream {
namespace {

using config::listen_address;
using io::unique_fd;

[[noreturn]] void fail(const std::string& what, int error_number) {
  throw listen_error(fmt::format("{}: {}", what, from_errno(error_number).message()));
}

unique_fd open_socket(int family, const std::string& what) {
  unique_fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) fail(what, errno);
  return fd;
}

void bind_and_listen(int fd, const sockaddr* address, socklen_t length, const std::string& what) {
  if (::bind(fd, address, length) != 0 || ::listen(fd, SOMAXCONN) != 0) fail(what, errno);
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

/// Removes a socket that an earlier server left behind; refuses whatever else has the name.
void remove_stale_socket(const std::string& path, const sockaddr_un& address) {
  struct stat s {};
  if (::lstat(path.c_str(), &s) != 0) return;
  if (!S_ISSOCK(s.st_mode)) {
    throw listen_error(
        fmt::format("{}: exists and is not a socket; give --unix another path", path));
  }
  const auto probe = open_socket(AF_UNIX, path);
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (connected == 0 || errno != ECONNREFUSED) {
    throw listen_error(
        fmt::format("{}: another server listens there; give --unix another path", path));
  }
  if (::unlink(path.c_str()) != 0) fail(path, errno);
}

listening_socket listen_unix(const std::string& path) {
  const auto address = unix_address(path);
  remove_stale_socket(path, address);
  listening_socket s;
  s.fd = open_socket(AF_UNIX, path);
  bind_and_listen(s.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, path);
  // The URI must serve a command that changes its directory.
  const std::unique_ptr<char, decltype(&std::free)> absolute(::realpath(path.c_str(), nullptr),
                                                             &std::free);
  s.unix_path = absolute ? absolute.get() : path;
  s.remove_path = true;
  return s;
}

listening_socket listen_private_unix() {
  const char* const temporary = std::getenv("TMPDIR");
  std::string directory =
      fmt::format("{}/nbdstream-XXXXXX", temporary && *temporary ? temporary : "/tmp");
  if (!::mkdtemp(directory.data())) fail(directory, errno);  // mode 0700
  try {
    auto s = listen_unix(directory + "/nbd.sock");
    s.remove_directory = directory;
    return s;
  } catch (...) {
    ::rmdir(directory.c_str());
    throw;
  }
}

/// Fills in the address that a socket is bound to, for the URI.
void describe(listening_socket& s) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  ::getsockname(s.fd.get(), reinterpret_cast<sockaddr*>(&bound), &length);
  if (bound.ss_family == AF_UNIX) {
    const auto& address = reinterpret_cast<const sockaddr_un&>(bound);
    const auto size = length - offsetof(sockaddr_un, sun_path);
    s.unix_path.assign(address.sun_path, ::strnlen(address.sun_path, size));
    return;
  }
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getnameinfo(reinterpret_cast<sockaddr*>(&bound), length, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
    s.host = bound.ss_family == AF_INET6 ? fmt::format("[{}]", host) : host;
    s.port = port;
  }
}

listening_socket listen_tcp_address(const addrinfo& a, const std::string& what) {
  listening_socket s;
  s.fd = open_socket(a.ai_family, what);
  const int on = 1;
  ::setsockopt(s.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (a.ai_family == AF_INET6) ::setsockopt(s.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  bind_and_listen(s.fd.get(), a.ai_addr, a.ai_addrlen, what);
  describe(s);
  return s;
}

std::vector<listening_socket> listen_tcp(const listen_address& address) {
  const auto what = fmt::format("{}:{}", address.host, address.port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                  std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) throw listen_error(fmt::format("{}: {}", what, ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(found, &::freeaddrinfo);
  std::vector<listening_socket> sockets;
  std::string first_error;
  for (const auto* a = found; a; a = a->ai_next) {
    try {
      sockets.push_back(listen_tcp_address(*a, what));
    } catch (const listen_error& e) {
      // "localhost" has an IPv6 address also where IPv6 is off.
      if (first_error.empty()) first_error = e.what();
    }
  }
  if (sockets.empty()) throw listen_error(first_error);
  return sockets;
}

listening_socket listen_vsock(std::uint32_t port) {
  const auto what = fmt::format("vsock:{}", port);
  listening_socket s;
  s.fd = open_socket(AF_VSOCK, what);
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = port;
  bind_and_listen(s.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, what);
  s.vsock = true;
  s.host = std::to_string(VMADDR_CID_LOCAL);
  s.port = std::to_string(port);
  return s;
}

/// sd_listen_fds(3): how many descriptors, from 3 on, were passed to this very process.
int activated_count() {
  const char* const pid = std::getenv("LISTEN_PID");
  const char* const count = std::getenv("LISTEN_FDS");
  if (!pid || !count || std::atol(pid) != ::getpid()) return 0;
  return std::max(0, std::atoi(count));
}

constexpr int first_activated_fd = 3;

}  // namespace

std::vector<listening_socket> listen_on(const listen_address& address) {
  std::vector<listening_socket> sockets;
  switch (address.what) {
    case listen_address::kind::unix_path: sockets.push_back(listen_unix(address.path)); break;
    case listen_address::kind::private_unix: sockets.push_back(listen_private_unix()); break;
    case listen_address::kind::tcp: return listen_tcp(address);
    case listen_address::kind::vsock: sockets.push_back(listen_vsock(address.port)); break;
  }
  return sockets;
}

bool socket_activated() {
  return activated_count() > 0;
}

std::vector<listening_socket> activated_sockets() {
  std::vector<listening_socket> sockets;
  const int count = activated_count();
  for (int fd = first_activated_fd; fd < first_activated_fd + count; ++fd) {
    int listening = 0;
    socklen_t length = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || !listening) {
      throw listen_error(fmt::format("LISTEN_FDS: descriptor {} is not a listening socket", fd));
    }
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    listening_socket s;
    s.fd.reset(fd);
    describe(s);
    sockets.push_back(std::move(s));
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  return sockets;
}

}  // namespace nbdstream
