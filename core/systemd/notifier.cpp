// SPDX-License-Identifier: BSD-3-Clause
#include "systemd/notifier.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace nbdstream::systemd {
namespace {

/// The variable, which is then gone; empty where there is none.
std::string take(const char* name) {
  const char* const value = std::getenv(name);
  std::string taken = value ? value : "";
  ::unsetenv(name);
  return taken;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end || text.empty()) return std::nullopt;
  return number;
}

}  // namespace

notifier::notifier(const std::string& address, std::optional<interval> watchdog)
    : address_(address), watchdog_(watchdog) {
  const bool known = address.size() > 1 && (address.front() == '/' || address.front() == '@');
  if (!known || address.size() >= sizeof(sockaddr_un::sun_path)) {
    throw std::invalid_argument(
        fmt::format("$NOTIFY_SOCKET: \"{}\" is not the path of a Unix socket; systemd gets no "
                    "messages from this service",
                    address));
  }
  if (address.front() == '@') address_.front() = '\0';
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

notifier notifier::take_from_environment() {
  const auto address = take("NOTIFY_SOCKET");
  const auto usec = number_in(take("WATCHDOG_USEC"));
  const auto pid = take("WATCHDOG_PID");
  if (address.empty()) return {};
  const bool for_us = pid.empty() || pid == std::to_string(::getpid());
  std::optional<interval> watchdog;
  if (for_us && usec.value_or(0) > 0) watchdog = interval(*usec);
  return notifier(address, watchdog);
}

bool notifier::send(std::string_view assignments) const noexcept {
  if (!socket_) return true;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  address_.copy(to.sun_path, sizeof to.sun_path - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  ssize_t sent = 0;
  do {
    sent = ::sendto(socket_.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&to), length);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

}  // namespace nbdstream::systemd
