// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_INFO_HPP
#define NBDSTREAM_RESTORE_INFO_HPP

#include "restore/stop_signals.hpp"

#include <string>
#include <vector>

namespace nbdstream::restore {

/// `nbdstream info`: what is in each diff, on standard output. Throws failure where one is broken,
/// once all that can be said was said; and `stopped`.
void info(const std::vector<std::string>& diffs, bool json, const stop_signals& signals);

}  // namespace nbdstream::restore
#endif
