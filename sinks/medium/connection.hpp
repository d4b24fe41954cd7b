// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_CONNECTION_HPP
#define NBDSTREAM_SINKS_MEDIUM_CONNECTION_HPP

#include <sys/socket.h>

#include <string>

#include "descriptor.hpp"
#include "retry.hpp"

namespace nbdstream::medium {

/// Where to connect to.
struct socket_address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

/// The address of a Unix socket; throws sink_error where the path does not fit into one.
socket_address unix_address(const std::string& path);

/// An attempt to connect that never blocks. One object can make several, one after another.
class connection {
 public:
  /// Goes on with the attempt to reach `address`, or begins it: 0 once connected, -EAGAIN, or
  /// -errno, after which the next call begins a new attempt.
  int advance(const socket_address& address, retry& wait);

  /// The connected socket.
  descriptor take() noexcept;

  void abandon() noexcept;

 private:
  int begin(const socket_address& address, retry& wait);
  int result() noexcept;

  descriptor socket_;
  bool under_way_ = false;
};

/// What it means to a user that connecting failed with `error`.
std::string why_not_connected(int error);

}  // namespace nbdstream::medium

#endif
