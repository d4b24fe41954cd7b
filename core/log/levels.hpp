// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_LEVELS_HPP
#define NBDSTREAM_LOG_LEVELS_HPP

#include <fmt/core.h>

#include <utility>

namespace nbdstream::log {

enum class level { error = 1, warning, info, debug };

/// error("{} is wrong", name) and the like, for a `Log` that has enabled(level) and
/// line(level, text).
template <class Log>
class levels {
 public:
  template <class... Args>
  void error(fmt::format_string<Args...> text, Args&&... args) {
    log(level::error, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> text, Args&&... args) {
    log(level::warning, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> text, Args&&... args) {
    log(level::info, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void debug(fmt::format_string<Args...> text, Args&&... args) {
    log(level::debug, text, std::forward<Args>(args)...);
  }

 private:
  template <class... Args>
  void log(level l, fmt::format_string<Args...> text, Args&&... args) {
    auto& to = static_cast<Log&>(*this);
    if (to.enabled(l)) to.line(l, fmt::format(text, std::forward<Args>(args)...));
  }
};

}  // namespace nbdstream::log
#endif
