// SPDX-License-Identifier: BSD-3-Clause
//
// What nbdstream does besides serving: `nbdstream apply`, `cat`, `info`.
#ifndef NBDSTREAM_RESTORE_SUBCOMMAND_HPP
#define NBDSTREAM_RESTORE_SUBCOMMAND_HPP

#include "log/log.hpp"

#include <span>

namespace nbdstream::restore {

/// Runs the subcommand that argv[1] names, and returns its exit status. State: there is an argv[1].
/// Throws config::error where the command line is wrong.
[[nodiscard]] int run_subcommand(std::span<const char* const> argv, log::logger& log);

}  // namespace nbdstream::restore
#endif
