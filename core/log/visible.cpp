// SPDX-License-Identifier: BSD-3-Clause
#include "log/visible.hpp"

#include <fmt/format.h>

#include <iterator>

namespace nbdstream::log {

void append_visible(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
}

}  // namespace nbdstream::log
