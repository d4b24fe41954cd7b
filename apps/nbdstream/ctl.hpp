// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_APPS_CTL_HPP
#define NBDSTREAM_APPS_CTL_HPP

#include "log/log.hpp"

#include <span>

namespace nbdstream {

/// `nbdstream ctl ...`: looks at a running nbdstream, or tells it something, through the socket of
/// its --control. `words` stand behind `ctl`. Returns the exit status; throws config::error.
[[nodiscard]] int run_ctl(std::span<char* const> words, log::logger& log);

}  // namespace nbdstream
#endif
