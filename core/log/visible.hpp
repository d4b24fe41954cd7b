// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_VISIBLE_HPP
#define NBDSTREAM_LOG_VISIBLE_HPP

#include <string>
#include <string_view>

namespace nbdstream::log {

/// Appends `text` with control characters as escapes ("\x1b"), so that a peer's text can neither
/// forge a line nor drive a terminal.
void append_visible(std::string& out, std::string_view text);

}  // namespace nbdstream::log
#endif
