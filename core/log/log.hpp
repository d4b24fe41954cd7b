// SPDX-License-Identifier: BSD-3-Clause
//
// The log: one line an event, on stderr or any other descriptor, as text or as JSON; or one event
// in the journal of systemd.
#ifndef NBDSTREAM_LOG_LOG_HPP
#define NBDSTREAM_LOG_LOG_HPP

#include "log/field.hpp"
#include "log/journal.hpp"
#include "log/levels.hpp"
#include "log/screen.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace nbdstream::log {

enum class format { text, json };
enum class target { standard_error, journal };

/// One line, with its end. `text` may hold anything, also from a peer: control characters are made
/// visible, and JSON is valid. Text does not show the fields.
[[nodiscard]] std::string render(format form, level l, std::string_view text, fields about = {});

/// Writes lines; cheap to pass by reference, constructed once in main(). Each line is one write(2),
/// so that lines of several threads and processes do not mix. Thread-safe.
class logger : public levels<logger> {
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
  /// From now on lines are written by `s`, until that is null. From any thread.
  void write_above(std::shared_ptr<screen> s) noexcept {
    const std::lock_guard lock(screen_mutex_);
    screen_ = std::move(s);
  }
  /// From now on lines go to the journal, and to the descriptor only when it takes none. Returns
  /// false, and nothing changes, where there is none. Only before other threads log.
  [[nodiscard]] bool use_journal(std::string path = journal::usual_path);
  [[nodiscard]] bool enabled(level l) const noexcept { return l <= limit_; }

  /// `text` may hold anything, as in render().
  void line(level l, std::string_view text, fields about = {}) noexcept {
    if (enabled(l)) write(l, text, about);
  }

 protected:
  virtual void write(level l, std::string_view text, fields about) noexcept;

 private:
  /// Where lines go that are to be written above something; null: nowhere.
  [[nodiscard]] std::shared_ptr<screen> shared_screen() noexcept {
    const std::lock_guard lock(screen_mutex_);
    return screen_;
  }

  level limit_;
  format format_;
  int fd_;
  std::mutex screen_mutex_;
  std::shared_ptr<screen> screen_;
  std::optional<journal> journal_;
};

}  // namespace nbdstream::log
#endif
