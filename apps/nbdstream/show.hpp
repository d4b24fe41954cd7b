// SPDX-License-Identifier: BSD-3-Clause
//
// What the program prints about sinks and its configuration, for people and programs.
#ifndef NBDSTREAM_APPS_SHOW_HPP
#define NBDSTREAM_APPS_SHOW_HPP

#include "config/config.hpp"
#include "log/log.hpp"
#include "sink/registry.hpp"

#include <string>

namespace nbdstream {

/// Prints the version, alone in its line; then `key: value` for each of the ABIs, what is built in,
/// and the sinks that are found.
void print_version(const sink::registry& sinks);

/// Prints a line for each. Returns whether all of them can be used; a line in the log says why one
/// cannot.
bool list_sinks(const sink::registry& sinks, log::logger& log);

/// Prints lines of key=value, as nbdkit --dump-plugin does.
void dump_sink(const sink::registry& sinks, const std::string& name);

/// Prints the configuration as TOML, but for the secrets in it.
void dump_config(const sink::registry& registry, const config::configuration& config);

}  // namespace nbdstream
#endif
