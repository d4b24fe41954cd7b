// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONFORMANCE_FAILING_SYSTEM_HPP
#define NBDSTREAM_CONFORMANCE_FAILING_SYSTEM_HPP

namespace nbdstream::conformance {

/// From now on, what makes a stream final (to sync, to rename, to link, to shut down) fails with
/// EIO, on all threads of this process, for good. False: the system does not let us do that.
[[nodiscard]] bool make_commits_fail() noexcept;

}  // namespace nbdstream::conformance
#endif
