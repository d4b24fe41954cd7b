// SPDX-License-Identifier: BSD-3-Clause
#include "io/zero_pipe.hpp"

#include "io/zeroes.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace nbdstream::io {

zero_pipe::zero_pipe() : ends_(make_pipe(O_NONBLOCK)) {
  if (!ends_.in) return;
  for (;;) {
    const iovec zeroes{const_cast<std::byte*>(zero_block.data()), zero_block.size()};
    const auto n = ::vmsplice(ends_.in.get(), &zeroes, 1, SPLICE_F_NONBLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    size_ += static_cast<std::uint64_t>(n);
  }
}

std::int64_t zero_pipe::tee_to(int to, std::uint64_t count) const noexcept {
  for (;;) {
    const auto n = ::tee(ends_.out.get(), to, std::min(count, size_), SPLICE_F_NONBLOCK);
    if (n > 0) return n;
    if (n == 0) return -EINVAL;  // cannot be: there are zeroes, and room was asked for
    if (errno != EINTR) return -errno;
  }
}

}  // namespace nbdstream::io
