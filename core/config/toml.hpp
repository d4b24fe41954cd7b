// SPDX-License-Identifier: BSD-3-Clause
//
// The configuration as a TOML file. Its keys are the names of the command line's options.
#ifndef NBDSTREAM_CONFIG_TOML_HPP
#define NBDSTREAM_CONFIG_TOML_HPP

#include "config/config.hpp"

#include <string>
#include <string_view>

namespace nbdstream::config {

/// Reads the file into `into`, whose values stay where the file says nothing; its exports are
/// replaced where the file has any. Throws config::error with file:line:column.
void load_toml(const std::string& path, configuration& into);

/// The same of text that is already here; `name` stands for the file in messages.
void read_toml(std::string_view text, const std::string& name, configuration& into);

}  // namespace nbdstream::config
#endif
