// SPDX-License-Identifier: BSD-3-Clause
#include "log/timestamp.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace nbdstream::log {

std::string timestamp(std::chrono::system_clock::time_point when) {
  using std::chrono::milliseconds;
  const auto second = std::chrono::floor<std::chrono::seconds>(when);
  const auto ms = std::chrono::floor<milliseconds>(when - second).count();
  const auto time = std::chrono::system_clock::to_time_t(second);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(time), ms);
}

}  // namespace nbdstream::log
