// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONFORMANCE_SYMBOLS_HPP
#define NBDSTREAM_CONFORMANCE_SYMBOLS_HPP

#include <optional>
#include <string>
#include <vector>

namespace nbdstream::conformance {

/// What the shared library at `path` defines for others, as `nm -D --defined-only` shows it;
/// nothing where the file has no such table, or is not of this machine's word size.
[[nodiscard]] std::optional<std::vector<std::string>> exported_symbols(const std::string& path);

}  // namespace nbdstream::conformance
#endif
