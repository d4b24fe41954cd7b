// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_OUTPUT_HPP
#define NBDSTREAM_LOG_OUTPUT_HPP

#include <chrono>
#include <string_view>

namespace nbdstream::log {

/// How long one line may wait for a full pipe.
constexpr auto line_patience = std::chrono::milliseconds(20);

/// A log that cannot be written (a full disk, a closed terminal) must not end a stream. Nor may one
/// that nobody reads stop the loop: what `fd` does not take within `wait` is lost.
void write_or_drop(int fd, std::string_view text,
                   std::chrono::milliseconds wait = line_patience) noexcept;

}  // namespace nbdstream::log
#endif
