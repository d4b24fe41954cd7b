// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of `nbdstream serve`.
#ifndef NBDSTREAM_CONFIG_SERVE_CLI_HPP
#define NBDSTREAM_CONFIG_SERVE_CLI_HPP

#include "config/config.hpp"

#include <string>
#include <vector>

namespace nbdstream::config {

struct serve_command {
  enum class action { serve, help, version };
  action what = action::serve;
  server_config server;
  std::string name;         ///< of the export
  std::string description;  ///< likewise
  std::vector<std::string> sources;
  std::vector<sink_setting> options;  ///< --option, for the module that reads a source
  bool raw = false;                   ///< the source is served as it is, whatever it looks like
};

/// Reads what stands behind `serve`: argv[0] is that word. The result is complete. Throws
/// config::error.
[[nodiscard]] serve_command parse_serve_line(int argc, const char* const* argv,
                                             bool socket_activation);

[[nodiscard]] std::string serve_help_text();

}  // namespace nbdstream::config
#endif
