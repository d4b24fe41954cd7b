// SPDX-License-Identifier: BSD-3-Clause
#include "server/command_variables.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

namespace nbdstream {
namespace {

/// $tls, as nbdkit-captive(1) has it.
std::string_view tls_variable(config::tls_mode mode) {
  switch (mode) {
    case config::tls_mode::on: return "1";
    case config::tls_mode::require: return "2";
    default: return "";
  }
}

/// Where TLS is required, with what a client on this machine needs for it.
listening_socket::security security_of(const config::server_config& config,
                                       const io::tls_context* tls) {
  listening_socket::security s;
  s.tls = config::effective_tls(config) == config::tls_mode::require;
  if (!s.tls || !tls) return s;
  s.user = tls->first_user();
  // The command may go to another directory.
  for (const auto& [key, path] : {std::pair("tls-certificates", tls->certificates()),
                                  std::pair("tls-psk-file", tls->psk_file())}) {
    if (!path.empty()) s.parameters.emplace_back(key, std::filesystem::absolute(path).string());
  }
  return s;
}

}  // namespace

captive_command::variables variables_for_command(const std::vector<listening_socket>& sockets,
                                                 const config::server_config& config,
                                                 const io::tls_context* tls,
                                                 std::string_view export_name) {
  const auto socket = std::ranges::find_if_not(sockets, &listening_socket::abstract);
  if (socket == sockets.end()) {
    throw listen_error(
        "--run: there is no NBD URI for an abstract socket; listen on another address too");
  }
  const auto uri = socket->uri(export_name, security_of(config, tls));
  return {{"uri", uri},
          {"nbd", uri},
          {"unixsocket", socket->unix_path},
          {"port", socket->port},
          {"exportname", std::string(export_name)},
          {"tls", std::string(tls_variable(config::effective_tls(config)))}};
}

}  // namespace nbdstream
