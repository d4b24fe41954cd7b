// SPDX-License-Identifier: BSD-3-Clause
//
// How much room text takes on a terminal.
#ifndef NBDSTREAM_STATUS_COLUMNS_HPP
#define NBDSTREAM_STATUS_COLUMNS_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace nbdstream::status {

/// How many columns `text` takes at most: what might be wide counts as two.
[[nodiscard]] std::size_t columns_of(std::string_view text);

/// The beginning of `text` that takes at most `columns`, with '?' for what is no UTF-8 or would
/// drive the terminal.
[[nodiscard]] std::string first_columns(std::string_view text, std::size_t columns);

}  // namespace nbdstream::status
#endif
