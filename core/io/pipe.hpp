// SPDX-License-Identifier: BSD-3-Clause
//
// Pipes of our own, for bytes that pass by reference, and what says that they cannot.
#ifndef NBDSTREAM_IO_PIPE_HPP
#define NBDSTREAM_IO_PIPE_HPP

#include "io/unique_fd.hpp"

namespace nbdstream::io {

struct pipe_ends {
  unique_fd out;
  unique_fd in;
};

/// A pipe as large as this process may have one, up to 1 MiB; `flags` as for pipe2(2), besides
/// O_CLOEXEC. Empty where there are no descriptors left.
[[nodiscard]] pipe_ends make_pipe(int flags) noexcept;

/// The most that such a pipe holds: the default of /proc/sys/fs/pipe-max-size.
inline constexpr int largest_pipe = 1 << 20;  // bytes

/// Whether this errno of splice(2) or tee(2) says that it cannot be done between these two, so that
/// copying may; EPIPE and the like are the reader's. EPERM: a sandbox that does not know the call.
[[nodiscard]] bool cannot_splice(int error_number) noexcept;

}  // namespace nbdstream::io
#endif
