// SPDX-License-Identifier: BSD-3-Clause
//
// The command line of `nbdstream serve`.
#ifndef NBDSTREAM_CONFIG_SERVE_CLI_HPP
#define NBDSTREAM_CONFIG_SERVE_CLI_HPP

#include "config/config.hpp"

#include <string>
#include <vector>

namespace nbdstream::config {

/// What a source is taken for.
enum class source_form {
  by_first_bytes,  ///< one of these, by what it begins with:
  raw,             ///< a disk as it is
  zstd,            ///< a compressed disk
  diff             ///< a chain of rbd diffs, each of which may be compressed
};

struct serve_command {
  enum class action { serve, help, version };
  action what = action::serve;
  server_config server;
  std::string name;         ///< of the export
  std::string description;  ///< likewise
  std::vector<std::string> sources;
  std::vector<sink_setting> options;  ///< --option, for the module that reads a source
  source_form as = source_form::by_first_bytes;
};

/// Reads what stands behind `serve`: argv[0] is that word. The result is complete. Throws
/// config::error.
[[nodiscard]] serve_command parse_serve_line(int argc, const char* const* argv,
                                             bool socket_activation);

[[nodiscard]] std::string serve_help_text();

}  // namespace nbdstream::config
#endif
