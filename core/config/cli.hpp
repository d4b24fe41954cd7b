// SPDX-License-Identifier: BSD-3-Clause
//
// The command line: what to do, and with which configuration.
#ifndef NBDSTREAM_CONFIG_CLI_HPP
#define NBDSTREAM_CONFIG_CLI_HPP

#include "config/config.hpp"

#include <string>
#include <vector>

namespace nbdstream::config {

struct command {
  enum class action { serve, help, version, list_sinks, dump_sink, check_sink, dump_config };
  action what = action::serve;
  std::string sink;  ///< dump_sink: the module's name or path
  configuration config;
  std::vector<std::string> warnings;  ///< for the log, once it is configured
};

/// Reads the command line, and the file of --config, over which the command line wins. The result
/// is not yet complete: see complete_and_validate(). Throws config::error.
[[nodiscard]] command parse_command_line(int argc, const char* const* argv);

/// What --help prints: usage, every option, exit statuses, examples.
[[nodiscard]] std::string help_text();

/// The first line that --version prints: "nbdstream 1.0.0".
[[nodiscard]] std::string version_text();
/// "1.0.0"
[[nodiscard]] std::string version();

}  // namespace nbdstream::config
#endif
