// SPDX-License-Identifier: BSD-3-Clause
//
// What the writer of receipts and their reader must agree on; all of it is described in
// doc/receipt.schema.json.
#ifndef NBDSTREAM_RECEIPT_FORMAT_HPP
#define NBDSTREAM_RECEIPT_FORMAT_HPP

#include <cstdint>
#include <string_view>

namespace nbdstream::receipt {

/// Its value is the version of the format. A reader takes members that it does not know for what
/// came later; what changes the meaning of the others raises the version.
inline constexpr std::string_view version_key = "nbdstream_receipt";
inline constexpr std::uint64_t version = 1;

inline constexpr std::string_view block_algorithm = "xxh3-128";

}  // namespace nbdstream::receipt
#endif
