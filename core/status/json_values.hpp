// SPDX-License-Identifier: BSD-3-Clause
//
// Values of JSON that status and receipts have in common.
#ifndef NBDSTREAM_STATUS_JSON_VALUES_HPP
#define NBDSTREAM_STATUS_JSON_VALUES_HPP

#include "log/utf8.hpp"

#include <boost/json.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace nbdstream::status {

/// What a peer or a file name says may be no UTF-8, and JSON must be.
[[nodiscard]] inline boost::json::value json_text(std::string_view t) {
  return boost::json::string(log::to_utf8(t));
}

[[nodiscard]] inline boost::json::value json_number_or_null(const std::optional<std::uint64_t>& n) {
  return n ? boost::json::value(*n) : boost::json::value();
}

}  // namespace nbdstream::status
#endif
