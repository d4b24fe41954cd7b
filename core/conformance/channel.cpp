// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/channel.hpp"

#include "config/text.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace nbdstream::conformance {

std::pair<channel, channel> channel::make() {
  std::array<int, 2> ends{};
  // Messages keep their borders, and each is sent in one piece.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0)
    throw std::system_error(errno, std::system_category(), "socketpair");
  return {channel(ends[0]), channel(ends[1])};
}

void channel::send(kind what, std::string_view text) const noexcept {
  constexpr std::size_t longest = 4000;
  std::string packet(1, static_cast<char>(what));
  packet += text.substr(0, longest);
  while (::send(fd_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void channel::violation(std::string_view what, contract::sentence broken, kind how) const {
  send(how, fmt::format("{}\n{}", config::printable(what), broken));
}

std::optional<message> channel::receive() const {
  std::array<char, 4096> packet{};
  const auto size = ::recv(fd_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  if (size == 0) return message{kind::done, "gone"};
  return message{static_cast<kind>(packet[0]),
                 std::string(packet.data() + 1, static_cast<std::size_t>(size) - 1)};
}

void channel::await_answer() const noexcept {
  pollfd p{fd_.get(), POLLIN, 0};
  while (::poll(&p, 1, -1) < 0 && errno == EINTR) {
  }
  (void)receive();
}

std::string checksum::text() const {
  return fmt::format("{} {:016x}", length, hash);
}

}  // namespace nbdstream::conformance
