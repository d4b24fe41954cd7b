// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_UTF8_HPP
#define NBDSTREAM_LOG_UTF8_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace nbdstream::log {

/// The length of the UTF-8 sequence that begins `text`, which is not empty, or 0 where it is
/// malformed: shortest forms only, no surrogates.
[[nodiscard]] std::size_t sequence_length(std::string_view text) noexcept;

/// `text` with U+FFFD in place of each byte that is no UTF-8.
[[nodiscard]] std::string to_utf8(std::string_view text);

}  // namespace nbdstream::log
#endif
