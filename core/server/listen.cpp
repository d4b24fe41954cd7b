// SPDX-License-Identifier: BSD-3-Clause
//
// The addresses that a server can listen on, as sockets.
#include "server/listen.hpp"
#include "config/parse.hpp"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace nbdstream {
namespace {

using config::listen_address;
using io::unique_fd;

/// Fills in the address that a socket is bound to, for the URI.
void describe(listening_socket& s) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  ::getsockname(s.fd.get(), reinterpret_cast<sockaddr*>(&bound), &length);
  if (bound.ss_family == AF_UNIX) {
    const auto& address = reinterpret_cast<const sockaddr_un&>(bound);
    const std::string path(address.sun_path, length - offsetof(sockaddr_un, sun_path));
    s.abstract = path.size() > 1 && path.front() == '\0';
    s.unix_path = s.abstract ? "@" + path.substr(1) : path.c_str();
    return;
  }
  if (bound.ss_family == AF_VSOCK) {
    s.vsock = true;
    s.host = std::to_string(VMADDR_CID_LOCAL);
    s.port = std::to_string(reinterpret_cast<const sockaddr_vm&>(bound).svm_port);
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

/// An address of getaddrinfo(3), of either family.
union tcp_address {
  sockaddr_storage any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

bool operator==(const tcp_address& a, const tcp_address& b) {
  if (a.any.ss_family != b.any.ss_family) return false;
  if (a.any.ss_family == AF_INET) {
    return a.v4.sin_port == b.v4.sin_port && a.v4.sin_addr.s_addr == b.v4.sin_addr.s_addr;
  }
  return a.v6.sin6_port == b.v6.sin6_port && a.v6.sin6_scope_id == b.v6.sin6_scope_id &&
         std::ranges::equal(a.v6.sin6_addr.s6_addr, b.v6.sin6_addr.s6_addr);
}

void set_port(tcp_address& address, in_port_t port) {
  (address.any.ss_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port) = port;
}

/// The addresses that a host has, each once.
std::vector<tcp_address> resolve(const listen_address& address, const std::string& what) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                  std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) throw listen_error(fmt::format("{}: {}", what, ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(found, &::freeaddrinfo);
  std::vector<tcp_address> addresses;
  for (const auto* a = found; a; a = a->ai_next) {
    tcp_address one{};
    std::memcpy(&one, a->ai_addr, a->ai_addrlen);
    if (std::ranges::find(addresses, one) == addresses.end()) addresses.push_back(one);
  }
  return addresses;
}

socklen_t size_of(const tcp_address& address) {
  return address.any.ss_family == AF_INET6 ? sizeof address.v6 : sizeof address.v4;
}

/// Nothing where the system has no such address: "localhost" has one of IPv6 also where that is
/// off.
std::optional<listening_socket> listen_tcp_address(const tcp_address& a, const std::string& what) {
  listening_socket s;
  s.fd.reset(::socket(a.any.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!s.fd && errno == EAFNOSUPPORT) return std::nullopt;
  if (!s.fd) fail_to_listen(what, errno);
  const int on = 1;
  ::setsockopt(s.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool v6 = a.any.ss_family == AF_INET6;
  if (v6) ::setsockopt(s.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(s.fd.get(), reinterpret_cast<const sockaddr*>(&a), size_of(a)) != 0) {
    if (errno == EADDRNOTAVAIL) return std::nullopt;
    fail_to_listen(what, errno);
  }
  if (::listen(s.fd.get(), SOMAXCONN) != 0) fail_to_listen(what, errno);
  describe(s);
  return s;
}

/// All of a name's addresses, or none: what another server has of them would get our clients.
std::vector<listening_socket> listen_tcp(const listen_address& address) {
  const auto what = config::format_listen(address);
  std::vector<listening_socket> sockets;
  for (auto& a : resolve(address, what)) {
    // The kernel chose a port for the first; a client is told of one only.
    if (!sockets.empty()) {
      set_port(a, htons(static_cast<in_port_t>(std::stoul(sockets.front().port))));
    }
    if (auto s = listen_tcp_address(a, what)) sockets.push_back(std::move(*s));
  }
  if (sockets.empty()) fail_to_listen(what, EADDRNOTAVAIL);
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
  describe(s);
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

void fail_to_listen(const std::string& what, int error_number) {
  const char* help = "";
  switch (error_number) {
    case EADDRINUSE: help = "; another program listens there: end it, or listen elsewhere"; break;
    case EADDRNOTAVAIL: help = "; this machine does not have that address"; break;
    case ENOENT: help = "; its directory does not exist"; break;
    default: break;
  }
  throw listen_error(fmt::format("{}: {}{}", what, from_errno(error_number).message(), help));
}

unique_fd open_socket(int family, const std::string& what) {
  unique_fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) fail_to_listen(what, errno);
  return fd;
}

void bind_and_listen(int fd, const sockaddr* address, socklen_t length, const std::string& what) {
  if (::bind(fd, address, length) != 0 || ::listen(fd, SOMAXCONN) != 0) fail_to_listen(what, errno);
}

std::vector<listening_socket> listen_on(const listen_address& address, log::logger& log,
                                        std::optional<std::uint32_t> unix_mode) {
  std::vector<listening_socket> sockets;
  switch (address.what) {
    case listen_address::kind::unix_path:
      sockets.push_back(listen_unix(address.path, unix_mode));
      break;
    case listen_address::kind::abstract_unix:
      sockets.push_back(listen_abstract(address.path));
      break;
    case listen_address::kind::private_unix: sockets.push_back(listen_private_unix(log)); break;
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
  for (int i = 0; i < count; ++i) {
    const int fd = first_activated_fd + i;
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
