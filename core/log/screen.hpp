// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_SCREEN_HPP
#define NBDSTREAM_LOG_SCREEN_HPP

#include <string_view>

namespace nbdstream::log {

/// Something that the terminal shows below the lines of the log, and that makes room for them.
class screen {
 public:
  screen() = default;
  screen(const screen&) = delete;
  screen& operator=(const screen&) = delete;
  virtual ~screen() = default;

  /// Writes whole lines, each with its end. From any thread.
  virtual void write_above(std::string_view lines) noexcept = 0;
};

}  // namespace nbdstream::log
#endif
