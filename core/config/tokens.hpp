// SPDX-License-Identifier: BSD-3-Clause
//
// The command line's words as options. Internal to config/.
#ifndef NBDSTREAM_CONFIG_TOKENS_HPP
#define NBDSTREAM_CONFIG_TOKENS_HPP

#include "config/command_options.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::config {

/// One option as it was given.
struct token {
  const command_option* option;
  std::string value;
  std::string where;  ///< "--size", "size=": begins an error message
};

using options_table = std::span<const command_option>;
/// What a word that is no option stands for; nothing: the handler has taken it.
using positional_handler = std::function<std::optional<positional_word>(const std::string&)>;

/// All of them in their order, each that is meant once given once. `options` are those that there
/// are. Throws config::error.
[[nodiscard]] std::vector<token> tokenize(int argc, const char* const* argv, options_table options,
                                          const positional_handler& positional);

/// The first of an option, or null.
[[nodiscard]] const token* find_token(std::span<const token> tokens, std::string_view option);

/// Puts what `t` says where that belongs; `file` is that of --config. Throws config::error.
void apply(const token& t, command_line& line, configuration& config, const std::string& file);

/// How to be reached is one choice: what the command line says about it replaces the file's.
void merge_listen(command_line& line, server_config& server, bool single);

}  // namespace nbdstream::config
#endif
