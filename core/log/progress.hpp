// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_PROGRESS_HPP
#define NBDSTREAM_LOG_PROGRESS_HPP

#include "log/log.hpp"

#include <string_view>

namespace nbdstream::log {

/// Writes `text` to `fd` as the line of --progress, or drops it where `fd` cannot take it at once.
/// Where it would stand among the lines of a log in JSON, at `log_fd`, it is such a line itself.
void write_progress(int fd, std::string_view text, format log_format, int log_fd = 2) noexcept;

}  // namespace nbdstream::log
#endif
