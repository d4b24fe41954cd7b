// SPDX-License-Identifier: BSD-3-Clause
#include "support/peer.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>

namespace nbdstream::test {
namespace {

bool wait_readable(int fd, int timeout_ms) {
  pollfd entry{fd, POLLIN, 0};
  return checked(::poll(&entry, 1, timeout_ms), "poll") > 0;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr_un unix_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

template <class Address>
const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

template <class Address>
file_descriptor listen_on(int family, const Address& address) {
  file_descriptor fd(checked(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  checked(::bind(fd.get(), generic(address), sizeof address), "bind");
  checked(::listen(fd.get(), 16), "listen");
  return fd;
}

}  // namespace

std::size_t peer::read_some(std::size_t count, const deadline& until) {
  std::array<char, 65536> buffer;
  // poll() says that a FIFO without a writer is at its end only once there has been one.
  if (!wait_readable(fd_.get(), until.poll_timeout()))
    throw std::runtime_error("nothing to read by the deadline, after " +
                             std::to_string(received_.size()) + " bytes");
  const auto got = ::read(fd_.get(), buffer.data(), std::min(count, buffer.size()));
  if (got < 0) {
    // EIO: all of a terminal's other ends are closed.
    if (errno != ECONNRESET && errno != EIO) checked(got, "read");
    reset_ = errno == ECONNRESET;
    return 0;
  }
  received_.append(buffer.data(), static_cast<std::size_t>(got));
  return static_cast<std::size_t>(got);
}

std::string peer::take(std::size_t count) {
  const deadline until;
  const std::size_t begin = received_.size();
  while (received_.size() < begin + count) {
    if (read_some(begin + count - received_.size(), until) == 0)
      throw std::runtime_error("the stream ended after " + std::to_string(received_.size()));
  }
  return received_.substr(begin);
}

ending peer::drain() {
  const deadline until;
  while (read_some(std::numeric_limits<std::size_t>::max(), until) > 0) continue;
  return reset_ ? ending::reset : ending::end_of_file;
}

void peer::take_what_there_is() {
  while (wait_readable(fd_.get(), 0) &&
         read_some(std::numeric_limits<std::size_t>::max(), deadline()) > 0)
    continue;
}

std::size_t peer::offer(std::string_view text) {
  const auto sent = ::send(fd_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return 0;
  return static_cast<std::size_t>(checked(sent, "send"));
}

void peer::send(std::string_view text, peer* reader, std::size_t piece) {
  const deadline until;
  while (!text.empty()) {
    text.remove_prefix(offer(text.substr(0, piece)));
    take_what_there_is();
    if (reader) reader->take_what_there_is();
    std::array<pollfd, 2> any{
        {{fd_.get(), POLLIN | POLLOUT, 0}, {reader ? reader->fd() : -1, POLLIN, 0}}};
    if (until.passed())
      throw std::runtime_error(std::to_string(text.size()) + " bytes not taken by the deadline");
    if (!text.empty()) checked(::poll(any.data(), any.size(), until.poll_timeout()), "poll");
  }
}

peer open_fifo(const std::filesystem::path& fifo) {
  return peer(file_descriptor(
      checked(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC), "open " + fifo.string())));
}

pipe_pair make_pipe() {
  std::array<int, 2> fds{};
  checked(::pipe2(fds.data(), O_CLOEXEC), "pipe2");
  return {peer(file_descriptor(fds[0])), file_descriptor(fds[1])};
}

terminal make_terminal() {
  int master = -1;
  int slave = -1;
  checked(::openpty(&master, &slave, nullptr, nullptr, nullptr), "openpty");
  for (const int fd : {master, slave}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return {peer(file_descriptor(master)), file_descriptor(slave)};
}

listener listener::tcp() {
  file_descriptor fd = listen_on(AF_INET, loopback(0));
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  checked(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &length), "getsockname");
  return {std::move(fd), ntohs(bound.sin_port)};
}

listener listener::unix_socket(const std::filesystem::path& path) {
  return {listen_on(AF_UNIX, unix_address(path)), 0};
}

peer listener::accept() {
  if (!wait_readable(fd_.get(), deadline().poll_timeout()))
    throw std::runtime_error("nobody has connected by the deadline");
  return peer(
      file_descriptor(checked(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept")));
}

bool listener::untouched() const {
  return !wait_readable(fd_.get(), 0);
}

std::uint16_t free_port() {
  return listener::tcp().port();
}

peer connect_tcp(std::uint16_t port) {
  file_descriptor fd(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const sockaddr_in address = loopback(port);
  checked(::connect(fd.get(), generic(address), sizeof address), "connect");
  return peer(std::move(fd));
}

peer connect_unix(const std::filesystem::path& path) {
  file_descriptor fd(checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const sockaddr_un address = unix_address(path);
  checked(::connect(fd.get(), generic(address), sizeof address), "connect");
  return peer(std::move(fd));
}

}  // namespace nbdstream::test
