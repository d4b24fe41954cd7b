// SPDX-License-Identifier: BSD-3-Clause
//
// All addresses of a configuration, and what is said of them.
#include "server/listen.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream {
namespace {

/// As the system counts it, so do clients.
bool too_long_for_clients(const listening_socket& s) {
  return !s.abstract && s.unix_path.size() > longest_unix_path;
}

std::string advice_on_length(const listening_socket& s) {
  return fmt::format(
      "{}: has {} bytes, and NBD URIs name sockets by paths of at most {}; give "
      "--unix one in a directory that is not so deep",
      s.unix_path, s.unix_path.size(), longest_unix_path);
}

}  // namespace

std::vector<listening_socket> listen_as_configured(const config::server_config& config,
                                                   log::logger& log) {
  std::vector<listening_socket> sockets;
  if (config.single) return sockets;
  sockets = activated_sockets();
  for (const auto& address : config.listen) {
    for (auto& socket : listen_on(address, log, config.unix_mode)) {
      sockets.push_back(std::move(socket));
    }
  }
  const auto for_command = std::ranges::find_if_not(sockets, &listening_socket::abstract);
  if (!config.run.empty() && for_command != sockets.end() && too_long_for_clients(*for_command)) {
    throw listen_error(advice_on_length(*for_command));
  }
  return sockets;
}

void announce(const std::vector<listening_socket>& sockets, const config::server_config& config,
              log::logger& log) {
  listening_socket::security security;
  security.tls = config::effective_tls(config) == config::tls_mode::require;
  for (const auto& s : sockets) {
    if (too_long_for_clients(s)) log.warning("{}", advice_on_length(s));
    // Only the command of --run looks for a private one.
    const bool only_for_command = !config.run.empty() && !s.remove_directory.empty();
    const auto level = only_for_command ? log::level::debug : log::level::info;
    log.line(level, fmt::format("listening on {}",
                                s.abstract ? "unix:" + s.unix_path : s.uri("", security)));
  }
}

}  // namespace nbdstream
