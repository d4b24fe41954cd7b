// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_PROPERTY_SESSION_RUN_HPP
#define NBDSTREAM_TESTS_PROPERTY_SESSION_RUN_HPP

#include "script.hpp"
#include "support/fake_sink.hpp"

#include <string>

namespace nbdstream::test {

/// Runs `s` through real sessions and an export, with sink and spill in memory, one request
/// at a time. Returns "", or the first thing that is not as the model says.
[[nodiscard]] std::string run_sessions(const script& s);

/// The same with payloads that are large enough to be spliced: each byte of the script stands for
/// many. Sizes must be multiples of 512, and `before` must be 0.
[[nodiscard]] std::string run_large_sessions(const script& s, data_path path);

}  // namespace nbdstream::test
#endif
