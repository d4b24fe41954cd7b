// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_PROPERTY_SHRINK_HPP
#define NBDSTREAM_TESTS_PROPERTY_SHRINK_HPP

#include "script.hpp"

#include <functional>
#include <string>

namespace nbdstream::test {

/// Runs a script; "" or what went wrong.
using runner = std::function<std::string(const script&)>;

/// A small script that still fails as `s` does, for some reason. Ends at a deadline.
[[nodiscard]] script shrink(script s, const runner& run);

/// What to show of a script that fails: itself, made small, and why.
[[nodiscard]] std::string report(const script& s, const runner& run);

}  // namespace nbdstream::test
#endif
