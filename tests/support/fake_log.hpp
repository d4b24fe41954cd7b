// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_SUPPORT_FAKE_LOG_HPP
#define NBDSTREAM_TESTS_SUPPORT_FAKE_LOG_HPP

#include "log/log.hpp"

#include <string>
#include <vector>

namespace nbdstream::test {

/// Keeps what is logged.
class fake_log final : public log::logger {
 public:
  fake_log() : logger(log::level::debug, log::format::text, -1) {}

  /// Whether a line has `text` in it.
  [[nodiscard]] bool says(std::string_view text) const {
    for (const auto& l : lines) {
      if (l.find(text) != std::string::npos) return true;
    }
    return false;
  }
  /// Everything, for a failing test.
  [[nodiscard]] std::string all() const {
    std::string text;
    for (const auto& l : lines) text += l + "\n";
    return text;
  }

  std::vector<std::string> lines;
  std::vector<std::string> as_json;  ///< the same, each with its fields

 private:
  void write(log::level l, std::string_view text, log::fields about) noexcept override {
    lines.emplace_back(text);
    as_json.push_back(log::render(log::format::json, l, text, about));
  }
};

}  // namespace nbdstream::test
#endif
