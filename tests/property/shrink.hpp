// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_PROPERTY_SHRINK_HPP
#define NBDSTREAM_TESTS_PROPERTY_SHRINK_HPP

#include "script.hpp"

#include <functional>
#include <string>

namespace nbdstream::test {

/// Runs a script. Returns "", or what went wrong.
using runner = std::function<std::string(const script&)>;

/// A smaller script that still fails, for whatever reason. Ends at a deadline.
[[nodiscard]] script shrink(script s, const runner& run);

/// The report on a script that fails: the shrunk script, and why it fails.
[[nodiscard]] std::string report(const script& s, const runner& run);

}  // namespace nbdstream::test
#endif
