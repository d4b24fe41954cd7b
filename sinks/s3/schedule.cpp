// SPDX-License-Identifier: BSD-3-Clause
#include "schedule.hpp"

#include <algorithm>

namespace nbdstream::s3 {
namespace {

constexpr std::uint64_t first_size = 16 * MiB;
constexpr std::uint64_t of_each_size = 1200;  // parts
constexpr std::uint64_t most_doublings = 7;   // to 2 GiB

}  // namespace

schedule::schedule(std::optional<std::uint64_t> fixed, std::optional<std::uint64_t> size) noexcept {
  if (fixed) {
    equal_ = *fixed;
  } else if (size) {
    const auto least = *size / most_parts + (*size % most_parts != 0 ? 1 : 0);
    const auto rounded = least / MiB + (least % MiB != 0 ? 1 : 0);
    equal_ = std::clamp(rounded * MiB, first_size, largest_part);
  }
}

std::uint64_t schedule::size_of(std::uint64_t number) const noexcept {
  if (equal_ > 0) return equal_;
  return first_size << std::min((number - 1) / of_each_size, most_doublings);
}

std::uint64_t schedule::capacity() const noexcept {
  if (equal_ > 0) return equal_ > UINT64_MAX / most_parts ? UINT64_MAX : equal_ * most_parts;
  std::uint64_t sum = 0;
  for (std::uint64_t number = 1; number <= most_parts; ++number) sum += size_of(number);
  return sum;
}

std::size_t buffer_count(std::uint64_t part, std::size_t connections,
                         std::uint64_t memory) noexcept {
  const std::uint64_t affordable = std::max<std::uint64_t>(2, memory / part);
  return static_cast<std::size_t>(std::min<std::uint64_t>(connections + 1, affordable));
}

}  // namespace nbdstream::s3
