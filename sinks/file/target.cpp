// SPDX-License-Identifier: BSD-3-Clause
#include "target.hpp"

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
    case S_IFIFO: refuse(EINVAL, "named pipe: use the sink `fifo`"); break;
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

}  // namespace

target look_at(const std::string& path) {
  target found;
  if (::stat(path.c_str(), &found.status) == 0) {
    found.what = classify(path, found.status.st_mode);
    if (found.what == kind::device) return found;
    struct stat link {};
    const bool is_link = ::lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode);
    found.where = is_link ? behind_links(path, found.status) : medium::place_for_file(path);
    return found;
  }
  if (errno != ENOENT)
    throw std::system_error(errno, std::system_category(), path + ": cannot be looked at");
  if (struct stat link{}; ::lstat(path.c_str(), &link) == 0)
    throw sink_error(ENOENT, path + " is a symbolic link to nothing: name the file itself");
  found.where = medium::place_for_file(path);
  return found;
}

}  // namespace nbdstream::file
