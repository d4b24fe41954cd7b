// SPDX-License-Identifier: BSD-3-Clause
#include "io/zero_pipe.hpp"

#include "io/zeroes.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace nbdstream::io {
namespace {

constexpr int largest = 1 << 20;  // bytes; the default of /proc/sys/fs/pipe-max-size

}  // namespace

zero_pipe::zero_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
  out_ = unique_fd(ends[0]);
  in_ = unique_fd(ends[1]);
  // Less than that is less at a time, and no more.
  for (int size = largest; size > 0; size /= 2) {
    if (::fcntl(in_.get(), F_SETPIPE_SZ, size) >= 0) break;
  }
  for (;;) {
    const iovec zeroes{const_cast<std::byte*>(zero_block.data()), zero_block.size()};
    const auto n = ::vmsplice(in_.get(), &zeroes, 1, SPLICE_F_NONBLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    size_ += static_cast<std::uint64_t>(n);
  }
}

std::int64_t zero_pipe::tee_to(int to, std::uint64_t count) const noexcept {
  for (;;) {
    const auto n = ::tee(out_.get(), to, std::min(count, size_), SPLICE_F_NONBLOCK);
    if (n > 0) return n;
    if (n == 0) return -EINVAL;  // cannot be: there are zeroes, and room was asked for
    if (errno != EINTR) return -errno;
  }
}

}  // namespace nbdstream::io
