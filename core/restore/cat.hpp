// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_CAT_HPP
#define NBDSTREAM_RESTORE_CAT_HPP

#include "restore/stop_signals.hpp"

#include <string>
#include <vector>

namespace nbdstream::restore {

/// `nbdstream cat`: the disk that a full diff and those behind it make, as bytes on standard
/// output. Throws failure, and `stopped`.
void cat(const std::vector<std::string>& diffs, const stop_signals& signals);

}  // namespace nbdstream::restore
#endif
