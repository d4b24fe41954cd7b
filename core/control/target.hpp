// SPDX-License-Identifier: BSD-3-Clause
//
// What a request asks for: the target of its first line.
#ifndef NBDSTREAM_CONTROL_TARGET_HPP
#define NBDSTREAM_CONTROL_TARGET_HPP

#include <optional>
#include <string>
#include <string_view>

namespace nbdstream::control {

/// A target in its parts, still as they were written.
struct target {
  std::string_view authority;  ///< of "http://AUTHORITY/path"; it counts more than Host
  std::string_view path;
  std::string_view query;
};
[[nodiscard]] target split_target(std::string_view text) noexcept;

/// "a%20b" is "a b"; none where a '%' has no two digits behind it, or where NUL is meant.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);
/// The same in a form or query, where '+' is a space, too.
[[nodiscard]] std::optional<std::string> form_decode(std::string_view text);

/// The value of a parameter as it was written, of "a=1&b=2"; none where it is not there.
[[nodiscard]] std::optional<std::string_view> find_parameter(std::string_view query,
                                                             std::string_view name) noexcept;

}  // namespace nbdstream::control
#endif
