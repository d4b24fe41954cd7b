// SPDX-License-Identifier: BSD-3-Clause
//
// What the program does with its own process before and while it serves.
#ifndef NBDSTREAM_APPS_PROCESS_HPP
#define NBDSTREAM_APPS_PROCESS_HPP

#include "config/config.hpp"
#include "io/error.hpp"
#include "log/log.hpp"
#include "systemd/notifier.hpp"

#include <boost/asio/io_context.hpp>

#include <optional>

namespace nbdstream {

inline constexpr int exit_failure = 1;
inline constexpr int exit_usage = 2;

/// A descriptor that is closed must not be given out as 0, 1 or 2 to something else. Standard
/// output becomes one that cannot be written, so that nothing vanishes unseen.
void occupy_standard_descriptors();

/// Runs `all` on the loop, and returns its status; nothing where it has failed, which the log
/// tells.
[[nodiscard]] std::optional<int> run_to_its_end(asio::io_context& loop, awaitable<int> all,
                                                log::logger& log);

/// Signals as the server expects them, whatever it has inherited. Before anything is served.
void prepare_signals();
/// From now on SIGTERM comes when the parent process ends, or has ended already.
void exit_with_parent();

/// Before there are threads, and children.
[[nodiscard]] systemd::notifier find_manager(log::logger& log);

/// Where stderr is the journal it would get the same lines, but none of their fields. Who asked for
/// JSON there wants that.
void direct(log::logger& log, const config::server_config& config);

}  // namespace nbdstream
#endif
