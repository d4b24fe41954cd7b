// SPDX-License-Identifier: BSD-3-Clause
#include "io/discard.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

namespace nbdstream::io {
namespace {

constexpr std::uint64_t most_at_once = 4 << 20;  // bytes

}  // namespace

bool discard::is_null_device(int fd) noexcept {
  struct stat s {};
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && ::fstat(fd, &s) == 0 &&
         S_ISCHR(s.st_mode) && s.st_rdev == makedev(1, 3);
}

splice_result discard::take(int source, int null, std::uint64_t count) {
  splice_result did;
  if (!ends_.in) ends_ = make_pipe(O_NONBLOCK);
  did.unsupported = !ends_.in;
  count = std::min(count, most_at_once);
  while (!did.unsupported && did.moved < count) {
    const auto piece = std::min<std::uint64_t>(count - did.moved, largest_pipe);
    const auto n = ::splice(source, nullptr, ends_.in.get(), nullptr, piece,
                            SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0) {
      did.moved += static_cast<std::uint64_t>(n);
      empty(null, static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      // The pipe is empty, so it is the source that has nothing.
      did.source_empty = n < 0 && errno == EAGAIN;
      if (did.source_empty || n == 0 || did.moved > 0) break;  // the next call finds it again
      did.unsupported = cannot_splice(errno);
      if (!did.unsupported) did.error = from_errno();
      break;
    }
  }
  return did;
}

void discard::empty(int null, std::size_t count) {
  while (count > 0) {
    const auto n = ::splice(ends_.out.get(), nullptr, null, nullptr, count, SPLICE_F_MOVE);
    if (n > 0) {
      count -= static_cast<std::size_t>(n);
    } else if (n == 0 || errno != EINTR) {
      ends_ = make_pipe(O_NONBLOCK);  // what is in the old one goes with it
      return;
    }
  }
}

}  // namespace nbdstream::io
