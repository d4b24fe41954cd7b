// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_ABI_SYSTEM_CALLS_HPP
#define NBDSTREAM_TESTS_ABI_SYSTEM_CALLS_HPP

#include <optional>

namespace sink_tests {

/// From now on a system call does nothing in this process, a `process` of the test's own, and
/// returns `error`, or success if that is 0. `except`: a first argument with which the call still
/// works. False: the system does not allow the filter.
bool disable_call(long number, int error, std::optional<int> except = {});

/// In such a process, a system call works `before` times, fails once with `error`, and works from
/// then on. For one system call only.
bool fail_once(long number, int error, int before = 0);
/// Whether that failure is still to come.
bool failure_is_pending();

}  // namespace sink_tests

#endif
