// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_COMMAND_VARIABLES_HPP
#define NBDSTREAM_SERVER_COMMAND_VARIABLES_HPP

#include "config/config.hpp"
#include "io/tls.hpp"
#include "server/command.hpp"
#include "server/listener.hpp"

#include <string_view>
#include <vector>

namespace nbdstream {

/// What the command of --run finds in its environment, to connect to the export of that name. `tls`
/// may be null. Throws listen_error where no URI names any of the sockets.
[[nodiscard]] captive_command::variables variables_for_command(
    const std::vector<listening_socket>& sockets, const config::server_config& config,
    const io::tls_context* tls, std::string_view export_name);

}  // namespace nbdstream
#endif
