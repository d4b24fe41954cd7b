// SPDX-License-Identifier: BSD-3-Clause
#include "new_file.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <nbdstream/sink.hpp>

namespace nbdstream::medium {
namespace {

/// Names the file that it belongs to, should it ever be left behind; with no name is it too long.
std::string unforeseeable_name(const std::string& name) {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    throw sink_error(EIO, "the system has no random numbers for the name of a temporary file");
  std::array<char, 40> suffix{};
  std::snprintf(suffix.data(), suffix.size(), ".nbdstream-%016llx",
                static_cast<unsigned long long>(number));
  constexpr std::size_t longest = 200;  // bytes, of the 255 that a name may have
  return (name.size() <= longest ? "." + name : std::string()) + suffix.data();
}

bool same(const struct stat& one, const struct stat& other) noexcept {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

std::string place::path() const {
  return directory == "." ? name : directory + name;
}

place place_for_file(const std::string& path) {
  const auto slash = path.rfind('/');
  const bool bare = slash == std::string::npos;
  place where{bare ? "." : path.substr(0, slash + 1), bare ? path : path.substr(slash + 1)};
  if (where.name.empty() || where.name == "." || where.name == "..")
    throw sink_error(EISDIR, path + " is a directory: name a file in it");
  if (::faccessat(AT_FDCWD, where.directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return where;
  if (errno == ENOENT) throw sink_error(ENOENT, path + ": its directory does not exist");
  throw std::system_error(errno, std::system_category(),
                          path + ": no file can be made in its directory");
}

new_file::new_file(place where, mode_t mode)
    : where_(std::move(where)),
      // Not for reading, which a directory need not allow.
      directory_(::open(where_.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!directory_) fail(errno, "its directory cannot be opened");
  const std::string name = unforeseeable_name(where_.name);
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
  file_ = descriptor(::openat(directory_.get(), name.c_str(), flags, mode));
  if (!file_) fail(errno, "the temporary file beside it cannot be made");
  name_ = name;
}

void new_file::fail(int error, const char* what) const {
  throw std::system_error(error, std::system_category(), where_.path() + ": " + what);
}

bool new_file::publish(existing other, bool sync) {
  // Some file systems tell only now that what was written did not arrive.
  const int status = sync ? (::fsync(file_.get()) == 0 ? 0 : -errno) : file_.close();
  if (status != 0) fail(-status, "what was written did not reach the disk");
  check_directory();
  const bool kept = give_name(other);
  if (other == existing::replaced) name_.clear();
  if (sync) sync_directory();
  name_.clear();
  discard();
  return kept;
}

void new_file::check_directory() const {
  struct stat ours {
  }, named{};
  if (::fstat(directory_.get(), &ours) == 0 && ::stat(where_.directory.c_str(), &named) == 0 &&
      same(ours, named))
    return;
  throw sink_error(ESTALE, where_.path() +
                               ": its directory has been moved or removed meanwhile, so that "
                               "nobody would find the file here");
}

bool new_file::give_name(existing other) {
  const int in = directory_.get();
  const char* from = name_.c_str();
  const char* to = where_.name.c_str();
  bool kept = true;
  int status = 0;
  if (other == existing::replaced) {
    status = ::renameat(in, from, in, to);
  } else {
    status = ::renameat2(in, from, in, to, RENAME_NOREPLACE);
    if (status < 0 && (errno == EINVAL || errno == ENOSYS)) status = link_or_rename(kept);
  }
  if (status < 0 && errno == EEXIST && other == existing::kept)
    throw sink_error(EEXIST, where_.path() + " has appeared meanwhile, and was not replaced");
  if (status < 0) fail(errno, "the complete file cannot be given this name");
  name_ = where_.name;
  return kept;
}

/// For file systems that cannot rename without replacing. They may have links, which do not replace
/// anything either. Where there are none, we look first, and `kept` is false.
int new_file::link_or_rename(bool& kept) const {
  const int in = directory_.get();
  const char* from = name_.c_str();
  const char* to = where_.name.c_str();
  if (::linkat(in, from, in, to, 0) == 0) {
    (void)::unlinkat(in, from, 0);
    return 0;
  }
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK) return -1;
  struct stat there {};
  if (::fstatat(in, to, &there, AT_SYMLINK_NOFOLLOW) == 0) errno = EEXIST;
  if (errno != ENOENT) return -1;
  kept = false;
  return ::renameat(in, from, in, to);
}

void new_file::sync_directory() const {
  const descriptor readable(
      ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY));
  // Who may not read it can only sync the whole file system.
  const int status = readable ? ::fsync(readable.get()) : ::syncfs(file_.get());
  // Some file systems, most of them in the network, know no such thing.
  if (status < 0 && errno != EINVAL) fail(errno, "its name did not reach the disk");
}

bool new_file::may_remove() const noexcept {
  if (name_.empty()) return false;
  if (name_ != where_.name) return true;
  // Under the name that everybody knows, there may meanwhile be a file of somebody else's.
  struct stat ours {
  }, named{};
  return ::fstat(file_.get(), &ours) == 0 &&
         ::fstatat(directory_.get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         same(ours, named);
}

void new_file::discard() noexcept {
  if (may_remove()) (void)::unlinkat(directory_.get(), name_.c_str(), 0);
  name_.clear();
  file_.reset();
  directory_.reset();
}

}  // namespace nbdstream::medium
