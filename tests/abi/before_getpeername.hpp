// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_ABI_BEFORE_GETPEERNAME_HPP
#define NBDSTREAM_TESTS_ABI_BEFORE_GETPEERNAME_HPP

#include <functional>

namespace sink_tests {

/// Called once, when a sink calls getpeername(), before that returns: for events between two system
/// calls of the sink.
extern std::function<void()> before_getpeername;

}  // namespace sink_tests

#endif
