// SPDX-License-Identifier: BSD-3-Clause
#include "source/file_source.hpp"

#include "config/config.hpp"
#include "config/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nbdstream::source {

file_source::file_source(const std::string& path)
    : name_(config::printable(path)),
      fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) {
  const auto refuse = [&](const std::string& why) {
    throw config::error(fmt::format("{}: {}; give a regular file, or a block device", name_, why));
  };
  if (!fd_) refuse(fmt::format("cannot be opened: {}", std::strerror(errno)));
  struct stat status {};
  if (::fstat(fd_.get(), &status) < 0) refuse(std::strerror(errno));
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    refuse("it cannot be read at any place");
  }
  const auto end = ::lseek(fd_.get(), 0, SEEK_END);
  if (end < 0) refuse(std::strerror(errno));
  is_file_ = S_ISREG(status.st_mode);
  size_ = static_cast<std::uint64_t>(end);
}

failure file_source::read(std::uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const auto n = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      return {error,
              fmt::format("{}: cannot be read at {}: {}", name_, offset, std::strerror(error))};
    }
    if (n == 0) break;
    into = into.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  auto changed = change_of_size();
  if (into.empty() || changed) return changed;
  return {EIO, fmt::format("{}: ends at {}, before {}", name_, offset, size_)};
}

/// Only the size is looked at: the time of a change says nothing of what has changed.
failure file_source::change_of_size() const {
  if (!is_file_) return {};
  struct stat status {};
  if (::fstat(fd_.get(), &status) < 0)
    return {EIO, fmt::format("{}: {}", name_, std::strerror(errno))};
  if (static_cast<std::uint64_t>(status.st_size) == size_) return {};
  return {ESTALE, fmt::format("{}: has {} bytes now, and had {}: it was changed while it was "
                              "served; start nbdstream serve again when it is complete",
                              name_, status.st_size, size_)};
}

/// The position that lseek() moves is used by nobody.
failure file_source::look(std::uint64_t offset, std::uint64_t until, extent& found) {
  const auto seek = [&](int what) { return ::lseek(fd_.get(), static_cast<off_t>(offset), what); };
  const auto data = seek(SEEK_DATA);
  const bool to_the_end = data < 0 && errno == ENXIO;
  found = {until, to_the_end ? content::hole : content::data};
  // What has been cut off must not be taken for a hole.
  if (to_the_end) return change_of_size();
  if (data < 0) return {};  // a file system that does not tell has data only
  auto end = data;
  if (static_cast<std::uint64_t>(data) > offset) {
    found.what = content::hole;
  } else {
    end = seek(SEEK_HOLE);
  }
  if (end > static_cast<off_t>(offset)) {
    found.end = std::min(until, static_cast<std::uint64_t>(end));
  }
  return {};
}

}  // namespace nbdstream::source
