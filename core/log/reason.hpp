// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_REASON_HPP
#define NBDSTREAM_LOG_REASON_HPP

#include <exception>
#include <string>

namespace nbdstream::log {

/// What an exception that nobody expected means, for a line of the log.
[[nodiscard]] std::string reason(const std::exception_ptr& failed);

}  // namespace nbdstream::log
#endif
