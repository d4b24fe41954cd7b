// SPDX-License-Identifier: BSD-3-Clause
#include "named_pipe.hpp"

#include <fcntl.h>
#include <sys/random.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <nbdstream/sink.hpp>

namespace nbdstream::fifo {
namespace {

using medium::descriptor;

[[noreturn]] void fail(int error, const std::string& path, const char* what) {
  throw sink_error(error, path + ": " + what + ": " + std::system_category().message(error));
}

/// A reference to what is at `path` itself that opens neither side of it.
descriptor pin(const std::string& path) noexcept {
  return descriptor(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

/// A name beside `path` that nobody can foresee, and which is never too long.
std::string name_beside(const std::string& path) {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return {};
  std::array<char, 40> name{};
  std::snprintf(name.data(), name.size(), ".nbdstream-%016llx",
                static_cast<unsigned long long>(number));
  return path.substr(0, path.rfind('/') + 1) + name.data();
}

/// Gives the FIFO `copy` mode and owner of `original`, where they are not the same anyway.
bool copy_owner_and_mode(int copy, const struct stat& original) noexcept {
  struct stat now {};
  if (::fstat(copy, &now) < 0 || !S_ISFIFO(now.st_mode)) return false;
  if ((now.st_uid != original.st_uid || now.st_gid != original.st_gid) &&
      ::fchownat(copy, "", original.st_uid, original.st_gid, AT_EMPTY_PATH) < 0)
    return false;
  if (now.st_mode == original.st_mode) return true;
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "/proc/self/fd/%d", copy);
  return ::chmod(name.data(), original.st_mode & 07777) == 0;
}

}  // namespace

target classify(const std::string& path, const struct stat& status) {
  switch (status.st_mode & S_IFMT) {
    case S_IFIFO: return target::pipe;
    case S_IFSOCK: return target::socket;
    case S_IFCHR: return target::device;
    case S_IFREG:
      throw sink_error(EEXIST, path +
                                   " is a regular file: write to it with the sink `file`, as "
                                   "in file:PATH, or name a FIFO or a new path");
    case S_IFDIR:
      throw sink_error(EISDIR, path + " is a directory: name a FIFO in it, or a new path");
    default:
      throw sink_error(EINVAL, path +
                                   " is a block device: write to it with the sink `file`, or "
                                   "name a FIFO, a Unix socket or a new path");
  }
}

target look_at(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return classify(path, status);
  if (errno != ENOENT) fail(errno, path, "cannot be looked at");
  return target::missing;
}

bool same_inode(const struct stat& one, const struct stat& other) noexcept {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool own_pipe::make(const std::string& path) {
  // mkfifo follows no link in the last place, so nobody can have it made elsewhere.
  if (::mkfifo(path.c_str(), 0666) == 0) {
    pin_ = pin(path);
    return true;
  }
  if (errno == EEXIST) return false;
  if (errno == ENOENT) throw sink_error(ENOENT, path + ": its directory does not exist");
  fail(errno, path, "cannot create the FIFO");
}

bool own_pipe::replace(const std::string& path, int open_end) noexcept try {
  struct stat ours {
  }, open{}, named{};
  if (!pin_ || ::fstat(pin_.get(), &ours) < 0 || ::fstat(open_end, &open) < 0 ||
      ::lstat(path.c_str(), &named) < 0 || !same_inode(ours, open) || !same_inode(ours, named))
    return false;
  const std::string fresh = name_beside(path);
  if (fresh.empty() || ::mkfifo(fresh.c_str(), ours.st_mode & 0777) < 0) return false;
  descriptor copy = pin(fresh);
  if (!copy || !copy_owner_and_mode(copy.get(), ours) ||
      ::rename(fresh.c_str(), path.c_str()) < 0) {
    (void)::unlink(fresh.c_str());
    return false;
  }
  pin_ = std::move(copy);
  return true;
} catch (...) {
  return false;
}

}  // namespace nbdstream::fifo
