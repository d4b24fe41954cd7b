// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SYSTEMD_NOTIFIER_HPP
#define NBDSTREAM_SYSTEMD_NOTIFIER_HPP

#include "io/unique_fd.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace nbdstream::systemd {

/// What tells the service manager how a service goes: sd_notify(3). Without a manager nothing is
/// sent.
class notifier {
 public:
  using interval = std::chrono::microseconds;

  notifier() = default;
  /// `address`: the path of a Unix socket, or "@NAME" for an abstract one. `watchdog`: the manager
  /// ends a service from which it hears nothing for so long. Throws std::invalid_argument.
  explicit notifier(const std::string& address, std::optional<interval> watchdog = {});

  /// As $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID say. Takes them out of the environment, so
  /// that no child speaks for us: only before there are threads. Throws std::invalid_argument.
  [[nodiscard]] static notifier take_from_environment();

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(socket_); }
  [[nodiscard]] std::optional<interval> watchdog() const noexcept { return watchdog_; }

  /// Sends assignments like "READY=1", one a line. Never waits: returns false where the manager
  /// cannot take it now.
  [[nodiscard]] bool send(std::string_view assignments) const noexcept;

 private:
  io::unique_fd socket_;
  std::string address_;  ///< as the system wants it, an abstract one begins with a zero byte
  std::optional<interval> watchdog_;
};

}  // namespace nbdstream::systemd
#endif
