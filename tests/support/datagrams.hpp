// SPDX-License-Identifier: BSD-3-Clause
//
// The other end of protocols of one datagram a message: systemd's journal, and its notifications.
#ifndef NBDSTREAM_TESTS_SUPPORT_DATAGRAMS_HPP
#define NBDSTREAM_TESTS_SUPPORT_DATAGRAMS_HPP

#include "support/deadline.hpp"
#include "support/file_descriptor.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <string>

namespace nbdstream::test {

/// A socket that receives what is sent to `path`; one that begins with '@' is abstract.
class datagrams {
 public:
  explicit datagrams(const std::string& path)
      : socket_(checked(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (path.starts_with('@')) address.sun_path[0] = '\0';
    const auto length = offsetof(sockaddr_un, sun_path) + path.size();
    checked(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                   static_cast<socklen_t>(length)),
            "bind " + path);
  }

  /// The next one; empty where none has come within the time.
  [[nodiscard]] std::string next(std::chrono::milliseconds within = patience) const {
    const deadline end(within);
    pollfd ready{socket_.get(), POLLIN, 0};
    if (::poll(&ready, 1, end.poll_timeout()) != 1) return {};
    std::string text(256 << 10, '\0');
    const auto size = checked(::recv(socket_.get(), text.data(), text.size(), 0), "recv");
    text.resize(static_cast<std::size_t>(size));
    return text;
  }

  /// What comes until one has `part` in it, that among them, one behind another; all that has come
  /// where none has.
  [[nodiscard]] std::string until(const std::string& part) const {
    std::string all;
    for (const deadline end; !end.passed();) {
      const auto one = next(std::chrono::milliseconds(std::max(end.poll_timeout(), 1)));
      if (one.empty()) break;
      all += one + "\n";
      if (one.find(part) != one.npos) break;
    }
    return all;
  }

 private:
  file_descriptor socket_;
};

}  // namespace nbdstream::test
#endif
