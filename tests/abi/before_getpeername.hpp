// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_ABI_BEFORE_GETPEERNAME_HPP
#define NBDSTREAM_TESTS_ABI_BEFORE_GETPEERNAME_HPP

#include <functional>

namespace sink_tests {

/// Called once, when a sink asks getpeername(), before that is answered: for what may happen
/// between two questions of the sink.
extern std::function<void()> before_getpeername;

}  // namespace sink_tests

#endif
