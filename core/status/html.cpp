// SPDX-License-Identifier: BSD-3-Clause
#include "status/html.hpp"

#include "log/utf8.hpp"

namespace nbdstream::status {

html& html::text(std::string_view t) {
  for (const char c : log::to_utf8(t)) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '&': text_ += "&amp;"; break;
      case '<': text_ += "&lt;"; break;
      case '>': text_ += "&gt;"; break;
      case '"': text_ += "&quot;"; break;
      case '\'': text_ += "&#39;"; break;
      default:
        if (byte < 0x20 || byte == 0x7f) {
          text_ += "\xef\xbf\xbd";
        } else {
          text_ += c;
        }
    }
  }
  return *this;
}

html& html::number(std::uint64_t n) {
  text_ += std::to_string(n);
  return *this;
}

}  // namespace nbdstream::status
