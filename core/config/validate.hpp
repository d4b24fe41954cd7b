// SPDX-License-Identifier: BSD-3-Clause
//
// What only the whole configuration can tell: defaults that depend on each other, and conflicts.
#ifndef NBDSTREAM_CONFIG_VALIDATE_HPP
#define NBDSTREAM_CONFIG_VALIDATE_HPP

#include "config/config.hpp"

#include <string>
#include <vector>

namespace nbdstream::config {

/// Fills in the one export and the address that nobody named, then checks everything; returns
/// warnings for the log. `socket_activation`: listening sockets were inherited (LISTEN_FDS), so
/// that no address is needed. Throws config::error.
///
/// A directory that will surely be needed for a spill file is looked for; nothing is created.
///
/// Not checked here, as only the sink modules know: their settings (sink/options.hpp), and that at
/// most one of them uses stdout.
[[nodiscard]] std::vector<std::string> complete_and_validate(configuration& config,
                                                             bool socket_activation = false);

}  // namespace nbdstream::config
#endif
