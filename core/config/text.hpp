// SPDX-License-Identifier: BSD-3-Clause
//
// Text as messages need it: what a user wrote, shown on one line, and the name that was meant.
#ifndef NBDSTREAM_CONFIG_TEXT_HPP
#define NBDSTREAM_CONFIG_TEXT_HPP

#include <span>
#include <string>
#include <string_view>

namespace nbdstream::config {

/// `text` for a message: control characters become \xNN, so that it stays one line.
[[nodiscard]] std::string printable(std::string_view text);

/// The same in double quotes, and cut short where it is long.
[[nodiscard]] std::string quote(std::string_view text);

/// Whether `text` is well-formed UTF-8: shortest forms only, no surrogates.
[[nodiscard]] bool valid_utf8(std::string_view text) noexcept;

/// The one of `names` that `word` is most likely a slip of, or "" where none is close.
[[nodiscard]] std::string_view nearest_name(std::string_view word,
                                            std::span<const std::string_view> names);

/// `; did you mean "NAME"?` for the nearest of `names`, or "" where none is close: the end of a
/// message about an unknown name.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> names);

}  // namespace nbdstream::config
#endif
