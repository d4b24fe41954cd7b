// SPDX-License-Identifier: BSD-3-Clause
//
// Figures as people read them.
#ifndef NBDSTREAM_STATUS_QUANTITIES_HPP
#define NBDSTREAM_STATUS_QUANTITIES_HPP

#include "status/snapshot.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace nbdstream::status {

/// "512 B", "1.5 GiB".
[[nodiscard]] std::string format_bytes(double bytes);
/// "0:07", "1:02:03", "3d 04h"; seconds are rounded up, so that what is left is 0 only at the end.
[[nodiscard]] std::string format_time(seconds time);
/// Whole percent, rounded down, so that 100 is all. Nothing where the whole is 0.
[[nodiscard]] std::optional<unsigned> percent(std::uint64_t part, std::uint64_t whole);

}  // namespace nbdstream::status
#endif
