// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_PROPERTY_SEQUENCER_RUN_HPP
#define NBDSTREAM_TESTS_PROPERTY_SEQUENCER_RUN_HPP

#include "script.hpp"

#include <string>

namespace nbdstream::test {

/// Runs `s` on a sequencer alone, with payloads that come late. Returns "", or the first thing
/// that is not as the model says.
[[nodiscard]] std::string run_sequencer(const script& s);

}  // namespace nbdstream::test
#endif
