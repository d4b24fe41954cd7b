// SPDX-License-Identifier: BSD-3-Clause
//
// What a sink module will be told: the settings that the user gave, checked against the options
// that the module declares. Pure: values in, values or one error out.
#ifndef NBDSTREAM_SINK_OPTIONS_HPP
#define NBDSTREAM_SINK_OPTIONS_HPP

#include "config/config.hpp"

#include <nbdstream/sink.h>

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::sink {

/// The options that a module declares. Where the module's nbdstream_option has another size than
/// ours, whoever loads it copies them first.
using option_list = std::span<const nbdstream_option>;

/// What is wrong with a module's option list, as "option "x" has no help": a name that is not
/// words joined by '-', or given twice, or reserved; an unknown type; a default of another type;
/// two positional options; a path that is no string. Empty: nothing.
[[nodiscard]] std::string fault_of(option_list options);

/// The option that is the ARGUMENT of `--sink NAME:ARGUMENT`, or null.
[[nodiscard]] const nbdstream_option* positional_option(option_list options);

/// The options that name a path which only one export may have.
[[nodiscard]] std::vector<const nbdstream_option*> exclusive_paths(option_list options);

/// Whether the setting `key` must not be shown; "argument" asks about the positional option.
[[nodiscard]] bool is_secret(option_list options, std::string_view key);

/// The values of one sink's options, defaults included. May be moved: what find() returned stays
/// valid.
class settings {
 public:
  /// `module` is the module's own name, for messages, and `kind` what it is. Throws config::error,
  /// which begins with the place (file:line:column, --option) where there is one.
  settings(std::string_view module, option_list options, const config::sink_config& given,
           std::string_view kind = "sink");

  settings(settings&&) noexcept = default;
  settings& operator=(settings&&) noexcept = default;

  /// The value of an option, or null where it has neither a value nor a default.
  [[nodiscard]] const nbdstream_setting* find(std::string_view name) const noexcept;

 private:
  struct value {
    std::string text;
    nbdstream_setting setting;
  };
  std::map<std::string, value, std::less<>> values_;  // its nodes never move
};

}  // namespace nbdstream::sink
#endif
