// SPDX-License-Identifier: BSD-3-Clause
#include "target.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <nbdstream/sink.hpp>

namespace nbdstream::file {
namespace {

using kind = target::kind;

kind classify(const std::string& path, mode_t mode) {
  const auto refuse = [&](int error, const char* what) {
    throw sink_error(error, path + " is a " + what);
  };
  switch (mode & S_IFMT) {
    case S_IFREG: return kind::file;
    case S_IFBLK: return kind::device;
    case S_IFDIR: refuse(EISDIR, "directory: name a file in it"); break;
    case S_IFIFO:
      refuse(EINVAL, "pipe: use the sink `fifo` or, for standard output, `stdout`");
      break;
    case S_IFSOCK: refuse(EINVAL, "Unix socket: use the sink `fifo` or `socket`"); break;
    default: refuse(EINVAL, "character device: use the sink `fifo`");
  }
  return kind::missing;
}

/// Where the file is that `path` leads to. That is looked up by name, and so the kernel's rules
/// for links in directories that everybody may write to do not count; they did for `status`.
medium::place behind_links(const std::string& path, const struct stat& status) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  struct stat named {};
  if (!real || ::lstat(real.get(), &named) < 0)
    throw std::system_error(errno, std::system_category(), path + ": cannot be looked at");
  if (named.st_dev != status.st_dev || named.st_ino != status.st_ino)
    throw sink_error(ESTALE, path + " was exchanged while it was looked at");
  return medium::place_for_file(real.get());
}

/// Whether the kernel takes this process for the owner of any file.
bool owns_everything() noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, sets) < 0) return ::geteuid() == 0;
  return (sets[CAP_TO_INDEX(CAP_FOWNER)].effective & CAP_TO_MASK(CAP_FOWNER)) != 0;
}

}  // namespace

target look_at(const std::string& path) {
  target found;
  struct stat named {};
  const bool is_link = ::lstat(path.c_str(), &named) == 0 && S_ISLNK(named.st_mode);
  // Whoever made it would choose what is written to, and may choose again at any time.
  if (is_link && named.st_uid != 0 && named.st_uid != ::geteuid())
    throw sink_error(EPERM, path + " is a symbolic link of another user, which is not followed: " +
                                "name the file that it leads to");
  if (::stat(path.c_str(), &found.status) == 0) {
    found.what = classify(path, found.status.st_mode);
    if (found.what == kind::device) return found;
    found.where = is_link ? behind_links(path, found.status) : medium::place_for_file(path);
    return found;
  }
  if (errno != ENOENT && errno != ENAMETOOLONG)
    throw std::system_error(errno, std::system_category(), path + ": cannot be looked at");
  if (is_link)
    throw sink_error(ENOENT, path + " is a symbolic link to nothing: name the file itself");
  found.where = medium::place_for_file(path);
  return found;
}

void check_replaceable(const std::string& path, const target& found) {
  medium::check_replaceable(found.where);
  struct stat directory {};
  if (::stat(found.where.directory.c_str(), &directory) < 0)
    throw std::system_error(errno, std::system_category(), path + ": cannot be looked at");
  const uid_t us = ::geteuid();
  if ((directory.st_mode & S_ISVTX) == 0 || directory.st_uid == us || found.status.st_uid == us ||
      owns_everything())
    return;
  throw sink_error(EPERM, path + " belongs to another user, and its directory is like /tmp: only " +
                              "the owner can replace a file there");
}

}  // namespace nbdstream::file
