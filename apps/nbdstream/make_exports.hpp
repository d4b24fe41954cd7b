// SPDX-License-Identifier: BSD-3-Clause
//
// From the configuration to exports, each with its sink.
#ifndef NBDSTREAM_APPS_MAKE_EXPORTS_HPP
#define NBDSTREAM_APPS_MAKE_EXPORTS_HPP

#include "config/config.hpp"
#include "log/log.hpp"
#include "server/export.hpp"
#include "sink/options.hpp"
#include "sink/registry.hpp"

#include <memory>
#include <vector>

namespace nbdstream {

/// A sink before it is created: its module, and its settings as the module will see them.
struct chosen_sink {
  sink::module module;
  sink::settings settings;
};

/// Loads the module of each export, and checks its settings. Throws config::error, or
/// sink::load_error.
[[nodiscard]] std::vector<chosen_sink> choose_sinks(const sink::registry& registry,
                                                    const config::configuration& config);

/// Where a spill file was asked for, it must be possible: the stream should not fail hours later.
/// Throws config::error.
void try_spill_directories(const config::configuration& config);

/// Builds the exports. `changed` and `log` are borrowed for their life. Throws sink::create_error.
[[nodiscard]] std::vector<std::unique_ptr<nbd_export>> make_exports(
    const asio::any_io_executor& executor, const config::configuration& config,
    std::vector<chosen_sink> chosen, io::condition& changed, log::logger& log);

}  // namespace nbdstream
#endif
