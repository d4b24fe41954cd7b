// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_FIELD_HPP
#define NBDSTREAM_LOG_FIELD_HPP

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace nbdstream::log {

/// Something that programs may want to know of an event without reading its text: a member of the
/// object in JSON, and in the journal a field NBDSTREAM_NAME.
struct field {
  std::string_view name;  ///< of a to z, 0 to 9 and '_'; with its unit: "sent_bytes"
  std::variant<std::uint64_t, double, std::string_view> value;  ///< a text may hold anything
};

using fields = std::span<const field>;

}  // namespace nbdstream::log
#endif
