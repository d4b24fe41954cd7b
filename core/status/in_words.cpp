// SPDX-License-Identifier: BSD-3-Clause
#include "status/in_words.hpp"

#include "log/timestamp.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace nbdstream::status {

std::string size_in_words(double bytes) {
  static constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  auto value = std::max(bytes, 0.0);
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  const auto tenths = unit == 0 || value >= 99.95 ? std::floor(value + 0.5) * 10  //
                                                  : std::floor(value * 10 + 0.5);
  const int digits = std::fmod(tenths, 10) == 0 ? 0 : 1;
  return fmt::format("{:.{}f} {}", tenths / 10, digits, units[unit]);
}

std::string sent_in_words(const counters& c) {
  auto words = size_in_words(static_cast<double>(c.sent));
  if (c.compressed == 0) return words;
  return words + ", compressed to " + size_in_words(static_cast<double>(c.compressed));
}

std::string time_in_words(seconds time) {
  const auto exact = std::max(time.count(), 0.0);
  if (exact < 10) return fmt::format("{:.1f} s", std::floor(exact * 10) / 10);
  // Bounded, for what is not to be expected to end.
  const auto s = static_cast<std::uint64_t>(std::min(exact, 1e15));
  constexpr std::uint64_t minute = 60, hour = 60 * minute, day = 24 * hour;
  if (s < minute) return fmt::format("{} s", s);
  if (s < hour) return fmt::format("{} min {} s", s / minute, s % minute);
  if (s < day) return fmt::format("{} h {} min", s / hour, s % hour / minute);
  return fmt::format("{} d {} h", s / day, s % day / hour);
}

std::string date_in_words(wall_clock::time_point when) {
  const auto t = log::timestamp(when);
  return fmt::format("{} {} UTC", t.substr(0, 10), t.substr(11, 8));
}

}  // namespace nbdstream::status
