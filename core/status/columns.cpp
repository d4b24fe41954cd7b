// SPDX-License-Identifier: BSD-3-Clause
#include "status/columns.hpp"

#include "log/utf8.hpp"

#include <algorithm>

namespace nbdstream::status {
namespace {

struct character {
  std::string_view bytes;  ///< what to show
  std::size_t length;      ///< bytes of the text
  std::size_t columns;
};

/// The first one of a text that is not empty.
character first_of(std::string_view text) {
  const auto length = log::sequence_length(text);
  const auto byte = static_cast<unsigned char>(text.front());
  const bool ascii_control = byte < 0x20 || byte == 0x7f;
  // U+0080 to U+009F: with some terminals these are control characters.
  const bool control =
      ascii_control || (length == 2 && byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
  if (length == 0 || control) return {"?", std::max<std::size_t>(length, 1), 1};
  // Those of Korean, Chinese and Japanese, and emoji, begin at U+1100: they have three bytes.
  return {text.substr(0, length), length, length > 2 ? 2U : 1U};
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const auto c = first_of(text);
    columns += c.columns;
    text.remove_prefix(c.length);
  }
  return columns;
}

std::string first_columns(std::string_view text, std::size_t columns) {
  std::string out;
  while (!text.empty()) {
    const auto c = first_of(text);
    if (c.columns > columns) break;
    columns -= c.columns;
    out += c.bytes;
    text.remove_prefix(c.length);
  }
  return out;
}

}  // namespace nbdstream::status
