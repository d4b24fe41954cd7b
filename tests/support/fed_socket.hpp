// SPDX-License-Identifier: BSD-3-Clause
//
// A socket of the system whose peer is the test, for what reads from it without asking anybody.
#ifndef NBDSTREAM_TESTS_SUPPORT_FED_SOCKET_HPP
#define NBDSTREAM_TESTS_SUPPORT_FED_SOCKET_HPP

#include "io/unique_fd.hpp"

#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <span>
#include <string_view>

namespace nbdstream::test {

class fed_socket {
 public:
  fed_socket() {
    std::array<int, 2> ends{};
    const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    EXPECT_EQ(::socketpair(AF_UNIX, type, 0, ends.data()), 0);
    peer_.reset(ends[0]);
    socket_.reset(ends[1]);
  }

  [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

  /// The peer sends the beginning of `bytes`, as much as there is room for. Returns how much.
  std::size_t feed(std::string_view bytes) noexcept {
    const auto n = ::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  /// The peer closes.
  void end() noexcept { peer_.reset(); }
  /// The same; behind what it has sent before, reading fails with ECONNRESET.
  void reset() noexcept {
    // That is what a peer's end is where it has not read everything.
    if (peer_) ::send(socket_.get(), "x", 1, MSG_NOSIGNAL);
    end();
  }

  [[nodiscard]] std::size_t unread() const noexcept {
    int bytes = 0;
    return ::ioctl(socket_.get(), FIONREAD, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
  }
  /// Reads what there is; 0: nothing.
  std::size_t read(std::span<std::byte> into) noexcept {
    const auto n = ::recv(socket_.get(), into.data(), into.size(), 0);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }

 private:
  io::unique_fd peer_;
  io::unique_fd socket_;
};

}  // namespace nbdstream::test
#endif
