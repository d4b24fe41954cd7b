// SPDX-License-Identifier: BSD-3-Clause
//
// How far the streams are, as text.
#ifndef NBDSTREAM_STATUS_PROGRESS_HPP
#define NBDSTREAM_STATUS_PROGRESS_HPP

#include "status/snapshot.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace nbdstream::status {

struct screen_size {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

/// For a terminal: a line for each export, without its end, those with an open stream first. None
/// is as wide as the screen, so that none is wrapped: what does not fit is left out, the least
/// important first. The lines leave one row of the screen free, and say how many are not shown.
[[nodiscard]] std::vector<std::string> progress_lines(const process& p, screen_size size,
                                                      bool colour);

/// For a log: all of one export, with exact numbers.
[[nodiscard]] std::string progress_text(const exported& e);

/// For programs: how much of all streams is done, in whole percent. 100 only where all have been
/// committed; nothing where it is not known.
[[nodiscard]] std::optional<unsigned> progress_percent(const process& p);

}  // namespace nbdstream::status
#endif
