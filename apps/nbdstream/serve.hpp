// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_APPS_SERVE_HPP
#define NBDSTREAM_APPS_SERVE_HPP

#include "log/log.hpp"

#include <span>

namespace nbdstream {

/// `nbdstream serve`: serves until it is over, and returns the exit status. `words`: the word
/// itself and what follows it. Throws what main() expects.
[[nodiscard]] int run_serve(std::span<char*> words, log::logger& log);

}  // namespace nbdstream
#endif
