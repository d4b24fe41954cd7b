// SPDX-License-Identifier: BSD-3-Clause
#include "status/quantities.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace nbdstream::status {

std::string format_bytes(double bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  // What would be rounded to 1024.0 is 1.0 of the next.
  while (bytes >= 1023.95 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string format_time(seconds time) {
  constexpr double most = 1e9;  // seconds, which is more than anybody waits
  const auto s = static_cast<std::uint64_t>(std::ceil(std::clamp(time.count(), 0.0, most)));
  const auto minutes = s / 60;
  const auto hours = minutes / 60;
  if (hours >= 100) return fmt::format("{}d {:02}h", hours / 24, hours % 24);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes % 60, s % 60);
  return fmt::format("{}:{:02}", minutes, s % 60);
}

std::optional<unsigned> percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return std::nullopt;
  const auto share = static_cast<long double>(std::min(part, whole)) * 100 / whole;
  return static_cast<unsigned>(share);
}

}  // namespace nbdstream::status
