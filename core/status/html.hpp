// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STATUS_HTML_HPP
#define NBDSTREAM_STATUS_HTML_HPP

#include <cstdint>
#include <string>
#include <string_view>

namespace nbdstream::status {

/// HTML that stands in the source. Only a constant becomes one, so no text that a peer or a user
/// has written can.
class markup {
 public:
  // Implicit, so that a literal can stand where markup is expected.
  consteval markup(const char* text) : text_(text) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

/// A piece of HTML that grows, in UTF-8.
class html {
 public:
  html& add(markup m) {
    text_ += m.text();
    return *this;
  }
  /// Anything at all, shown as it is: as the content of an element, or of an attribute in double
  /// quotes. What is no UTF-8, and control characters, become U+FFFD.
  html& text(std::string_view t);
  html& number(std::uint64_t n);

  [[nodiscard]] const std::string& str() const noexcept { return text_; }

 private:
  std::string text_;
};

}  // namespace nbdstream::status
#endif
