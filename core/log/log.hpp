// SPDX-License-Identifier: BSD-3-Clause
//
// The log: one line an event, on stderr or any other descriptor, as text or as JSON.
#ifndef NBDSTREAM_LOG_LOG_HPP
#define NBDSTREAM_LOG_LOG_HPP

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace nbdstream::log {

enum class level { error = 1, warning, info, debug };
enum class format { text, json };
enum class target { standard_error, journal };

/// One line, with its end. `text` may hold anything, also from a peer: control characters are made
/// visible, and JSON is valid.
[[nodiscard]] std::string render(format form, level l, std::string_view text);

/// Writes lines; cheap to pass by reference, constructed once in main(). Each line is one write(2),
/// so that lines of several threads and processes do not mix. Thread-safe.
class logger {
 public:
  /// `fd` is borrowed. Lines above `limit` are dropped.
  explicit logger(level limit = level::info, format form = format::text, int fd = 2) noexcept
      : limit_(limit), format_(form), fd_(fd) {}
  logger(const logger&) = delete;
  logger& operator=(const logger&) = delete;
  virtual ~logger() = default;

  /// Only before other threads log.
  void configure(level limit, format form) noexcept {
    limit_ = limit;
    format_ = form;
  }
  [[nodiscard]] bool enabled(level l) const noexcept { return l <= limit_; }

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

  /// `text` may hold anything, as in render().
  virtual void line(level l, std::string_view text) noexcept;

 private:
  template <class... Args>
  void log(level l, fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(l)) line(l, fmt::format(text, std::forward<Args>(args)...));
  }

  level limit_;
  format format_;
  int fd_;
};

}  // namespace nbdstream::log
#endif
