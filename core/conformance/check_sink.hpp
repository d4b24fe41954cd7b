// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream --check-sink: whether a module keeps the contract of sink.h.
#ifndef NBDSTREAM_CONFORMANCE_CHECK_SINK_HPP
#define NBDSTREAM_CONFORMANCE_CHECK_SINK_HPP

#include "config/config.hpp"
#include "sink/registry.hpp"

namespace nbdstream::conformance {

/// Puts a module through every check, and prints one line for each in the form of TAP, the Test
/// Anything Protocol. `grace` is how long a call may take. Returns whether all went well. Throws
/// sink::load_error where there is no such file, and config::error where the settings are wrong.
[[nodiscard]] bool check_sink(const sink::registry& registry, const config::sink_config& given,
                              config::nanoseconds grace);

}  // namespace nbdstream::conformance
#endif
