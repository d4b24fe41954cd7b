// SPDX-License-Identifier: BSD-3-Clause
//
// The options of the command line as data: what parsing, suggestions and --help are made of.
// Internal to config/.
#ifndef NBDSTREAM_CONFIG_COMMAND_OPTIONS_HPP
#define NBDSTREAM_CONFIG_COMMAND_OPTIONS_HPP

#include "config/cli.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::config {

/// What the command line said so far, on its way into a command.
struct command_line {
  std::optional<command::action> what;
  std::string dumped_sink;                ///< --dump-sink NAME
  std::optional<sink_config> sink;        ///< --sink, pipe=, write=; without settings
  std::vector<sink_setting> settings;     ///< --option
  std::vector<listen_address> listen;     ///< --unix, --vsock
  std::optional<std::string> tcp_host;    ///< --ipaddr
  std::optional<std::uint32_t> tcp_port;  ///< --port
  std::string served_as;                  ///< --as, of `nbdstream serve`
};

/// Under which heading --help shows an option.
enum class help_group { source, sink, stream, listen, run, tls, report, other };

/// Where an option's value goes.
enum class option_target {
  server,    ///< the key of [server] that `key` names
  exported,  ///< the key of [[export]] that `key` names: only where there is one export
  line       ///< `apply` puts it into the command_line
};

/// One option.
struct command_option {
  std::string_view name;     ///< without dashes
  char letter;               ///< its short form; 0: none
  std::string_view value;    ///< what --help calls its value; empty: it takes none
  std::string_view implied;  ///< the value where none is given; with `value`: that is optional
  help_group group;
  option_target target;
  std::string_view key;  ///< for server and exported
  void (*apply)(command_line&, std::string_view value);
  std::string_view help;
  bool repeatable = false;
};

/// All of them, in the order in which --help shows them.
[[nodiscard]] std::span<const command_option> command_options();

/// The option `name` (without dashes), or null.
[[nodiscard]] const command_option* find_option(std::span<const command_option> among,
                                                std::string_view name);
[[nodiscard]] const command_option* find_option(std::string_view name);

/// What --help says of options, those of a group under its heading.
[[nodiscard]] std::string describe_options(std::span<const command_option> options);

/// `KEY=VALUE` as nbdkit's users write it, in any position: pipe=, write=, size=. Returns the
/// option that it stands for and its value, or throws config::error.
struct positional_word {
  const command_option* option;
  std::string value;
  std::string where;  ///< "pipe=": begins an error message
};
[[nodiscard]] positional_word parse_positional(std::string_view word);

}  // namespace nbdstream::config
#endif
