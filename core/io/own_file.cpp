// SPDX-License-Identifier: BSD-3-Clause
#include "io/own_file.hpp"

#include "io/unique_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace nbdstream::io {

std::int64_t check_replaceable(const std::string& path, bool (*is_ours)(std::string_view begin)) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return errno == ENOENT ? 0 : -errno;
  if (S_ISDIR(found.st_mode)) return -EISDIR;
  if (!S_ISREG(found.st_mode)) return -EEXIST;
  const unique_fd there(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!there) return -errno;
  std::array<char, 64> begin;
  const auto count = ::read(there.get(), begin.data(), begin.size());
  if (count < 0) return -errno;
  const std::string_view text(begin.data(), static_cast<std::size_t>(count));
  return text.empty() || is_ours(text) ? 0 : -EEXIST;
}

}  // namespace nbdstream::io
