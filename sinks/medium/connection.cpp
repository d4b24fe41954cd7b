// SPDX-License-Identifier: BSD-3-Clause
#include "connection.hpp"

#include <sys/un.h>

#include <cstring>
#include <nbdstream/sink.hpp>

#include "write_end.hpp"

namespace nbdstream::medium {
namespace {

using namespace std::chrono_literals;

/// With no listener, a port out of the range from which ours was chosen can connect to itself.
bool is_connected_to_itself(int socket) noexcept {
  sockaddr_storage ours{}, theirs{};
  socklen_t our_size = sizeof ours, their_size = sizeof theirs;
  return ::getsockname(socket, reinterpret_cast<sockaddr*>(&ours), &our_size) == 0 &&
         ::getpeername(socket, reinterpret_cast<sockaddr*>(&theirs), &their_size) == 0 &&
         ours.ss_family != AF_UNIX && our_size == their_size &&
         std::memcmp(&ours, &theirs, our_size) == 0;
}

}  // namespace

socket_address unix_address(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path)
    throw sink_error(ENAMETOOLONG, path + " is too long for the path of a Unix socket: at most " +
                                       std::to_string(sizeof name.sun_path - 1) + " bytes");
  path.copy(name.sun_path, path.size());
  socket_address address;
  std::memcpy(&address.storage, &name, sizeof name);
  address.length = sizeof name;
  return address;
}

int connection::advance(const socket_address& address, retry& wait) {
  int status = 0;
  if (!under_way_) {
    status = begin(address, wait);
  } else if (events_now(socket_.get(), POLLOUT) == 0) {
    status = wait.when(socket_.get(), POLLOUT);
  } else {
    status = result();
  }
  if (status == 0 && is_connected_to_itself(socket_.get())) status = -ECONNREFUSED;
  if (status != -EAGAIN) under_way_ = false;
  if (status != -EAGAIN && status != 0) abandon();
  return status;
}

int connection::begin(const socket_address& address, retry& wait) {
  const int family = address.storage.ss_family;
  if (!socket_)
    socket_ = descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_) return -errno;
  const int on = 1;
  if (family != AF_UNIX) {
    (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    // The connection may come about while we are being killed, or given up.
    reset_when_closed(socket_.get(), true);
  }
  const auto* name = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::connect(socket_.get(), name, address.length) == 0) return 0;
  if (errno == EINPROGRESS || errno == EINTR) {
    under_way_ = true;
    return wait.when(socket_.get(), POLLOUT);
  }
  // A Unix listener whose queue is full; nothing announces that it has room again. TCP says the
  // same where no local port is free.
  if (errno == EAGAIN) return wait.later(50ms);
  return -errno;
}

int connection::result() noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  return -error;
}

descriptor connection::take() noexcept {
  return std::move(socket_);
}

void connection::abandon() noexcept {
  socket_.reset();
  under_way_ = false;
}

std::string why_not_connected(int error) {
  switch (error) {
    case ECONNREFUSED: return "no program listens there (connection refused)";
    case ENOENT: return "there is no such socket";
    case EPROTOTYPE: return "it is a socket, but not a stream socket";
    default: return std::system_category().message(error);
  }
}

}  // namespace nbdstream::medium
