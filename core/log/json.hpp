// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_JSON_HPP
#define NBDSTREAM_LOG_JSON_HPP

#include <string>
#include <string_view>

namespace nbdstream::log {

/// Appends the inside of a string of JSON, which is UTF-8: what is none becomes U+FFFD.
void append_json(std::string& out, std::string_view text);

}  // namespace nbdstream::log
#endif
