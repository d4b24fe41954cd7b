// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_APPLY_HPP
#define NBDSTREAM_RESTORE_APPLY_HPP

#include "restore/stop_signals.hpp"

#include <optional>
#include <string>
#include <vector>

namespace nbdstream::restore {

/// `nbdstream apply`
struct apply_options {
  std::string target;
  std::vector<std::string> diffs;   ///< none: standard input
  std::optional<std::string> from;  ///< the snapshot that the target holds
  bool in_place = false;            ///< write before the end of the diffs was seen
  bool resize = false;
  bool verify = false;
  bool progress = false;
};

/// Throws failure, and `stopped`.
void apply(const apply_options& options, const stop_signals& signals);

}  // namespace nbdstream::restore
#endif
