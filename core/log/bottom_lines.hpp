// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_BOTTOM_LINES_HPP
#define NBDSTREAM_LOG_BOTTOM_LINES_HPP

#include "log/screen.hpp"

#include <mutex>
#include <string>
#include <vector>

namespace nbdstream::log {

/// Lines at the bottom of a terminal that are drawn again and again, in one place, while lines of
/// the log pass above them. What others write to the terminal meanwhile stands among them.
class bottom_lines final : public screen {
 public:
  /// `terminal` is a descriptor of it.
  explicit bottom_lines(int terminal);
  ~bottom_lines() override;

  /// Draws these instead of those before. None is as wide as the terminal. Where the terminal takes
  /// nothing now, it is left as it is.
  void draw(const std::vector<std::string>& lines);
  /// Takes them away; the cursor is in the first column then.
  void erase() noexcept;
  /// The terminal belongs to somebody else now, who writes to it: what was drawn stays.
  void leave() noexcept;

  void write_above(std::string_view lines) noexcept override;

 private:
  [[nodiscard]] std::string go_to_begin() const;

  int fd_;
  std::mutex mutex_;   ///< for all below
  std::string drawn_;  ///< as it was written
  std::size_t rows_ = 0;
};

}  // namespace nbdstream::log
#endif
