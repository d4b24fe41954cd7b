// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_TIMESTAMP_HPP
#define NBDSTREAM_LOG_TIMESTAMP_HPP

#include <chrono>
#include <string>

namespace nbdstream::log {

/// "2026-11-27T06:00:00.123Z"
[[nodiscard]] std::string timestamp(std::chrono::system_clock::time_point when);

}  // namespace nbdstream::log
#endif
