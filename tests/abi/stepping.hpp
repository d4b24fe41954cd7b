// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_ABI_STEPPING_HPP
#define NBDSTREAM_TESTS_ABI_STEPPING_HPP

#include <functional>

namespace sink_tests {

/// How a process ended that was to be killed at some system call.
enum class stepped { killed, ended, failed };

enum class victim { process, process_group };

/// Runs `body` in a fork with a process group of its own, and sends SIGKILL to the fork, or to the
/// group, just before the system call that `body` makes after `calls` others. Returns once the
/// fork and every process that it started have ended, orphans included: `ended` where `body`
/// returned before it had made so many calls, `failed` where the fork cannot be traced, or a
/// process is still there after `patience`. The caller is a `process` of the test's own: the
/// orphans become its children.
stepped kill_after(int calls, victim whom, const std::function<void()>& body);

}  // namespace sink_tests

#endif
