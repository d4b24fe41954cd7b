// SPDX-License-Identifier: BSD-3-Clause
#include "new_file.hpp"

#include <fcntl.h>
#include <sys/random.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <nbdstream/sink.hpp>

#include "uninterrupted.hpp"

namespace nbdstream::medium {
namespace {

std::string random_digits() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    throw sink_error(EIO, "the system has no random numbers for the name of a temporary file");
  std::array<char, 20> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(number));
  return digits.data();
}

bool same(const struct stat& one, const struct stat& other) noexcept {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

new_file::new_file(place where, mode_t mode)
    : where_(std::move(where)),
      // Not for reading, which a directory need not allow.
      directory_(::open(where_.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
      digits_(random_digits()) {
  if (!directory_) fail(errno, "its directory cannot be opened");
  // Its name tells to which file it belongs, should it ever be left behind.
  const std::string suffix = ".nbdstream-" + digits_;
  create("." + where_.name + suffix, mode);
  if (!file_ && errno == ENAMETOOLONG) create(suffix, mode);
  if (!file_) fail(errno, "the temporary file beside it cannot be made");
}

/// Closed first: where a file is sent to another machine as it is closed, that would make it anew.
new_file::~new_file() {
  file_.reset();
  if (name_.empty()) return;
  (void)uninterrupted([&] { return ::unlinkat(directory_.get(), name_.c_str(), 0); });
}

void new_file::create(const std::string& name, mode_t mode) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
  file_ = descriptor(
      uninterrupted([&] { return ::openat(directory_.get(), name.c_str(), flags, mode); }));
  if (file_) name_ = name;
}

void new_file::fail(int error, const char* what) const {
  throw std::system_error(error, std::system_category(), where_.path() + ": " + what);
}

bool new_file::publish(existing other, bool sync) {
  seal(sync);
  const std::string path = where_.path();
  const auto text_of = [](int error) { return std::system_category().message(error); };
  if (!directory_is_in_place())
    fail_complete(ESTALE, path + ": its directory has been moved or removed meanwhile");
  bool is_safe = true;
  if (move_to(where_.name, other, is_safe) < 0 && !is_called(where_.name)) {
    const int error = errno;
    if (error == EEXIST && other == existing::kept)
      fail_complete(EEXIST, path + " has appeared meanwhile, and was not replaced");
    fail_complete(error, path + ": the new file cannot be given this name: " + text_of(error));
  }
  name_ = where_.name;
  const int error = sync ? sync_directory() : 0;
  if (error != 0 && other == existing::kept)
    fail_complete(error, path + ": its name did not reach the disk: " + text_of(error));
  name_.clear();
  if (error != 0)
    throw sink_error(error, path +
                                ": the complete new file is there, and any older one gone, but " +
                                "a crash of the system may undo that: its directory did not " +
                                "reach the disk: " + text_of(error));
  return is_safe;
}

/// What was written is on the disk, or at least out of our hands. Some file systems tell only when
/// a file is closed that it did not arrive.
void new_file::seal(bool sync) {
  if (::fstat(file_.get(), &status_) < 0) fail(errno, "cannot be looked at");
  int status = 0;
  if (sync && uninterrupted([&] { return ::fsync(file_.get()); }) < 0) status = -errno;
  const int closed = file_.close();
  if (status == 0) status = closed;
  if (status != 0) fail(-status, "what was written did not reach the disk");
}

/// 0, or -1 and errno. Not every file system can rename without replacing; it may have links, which
/// do not replace anything either. If there are none, we look first, and `is_safe` becomes false.
int new_file::move_to(const std::string& name, existing other, bool& is_safe) const {
  const int in = directory_.get();
  const char* from = name_.c_str();
  const char* to = name.c_str();
  const auto replace = [&] { return ::renameat(in, from, in, to); };
  if (other == existing::replaced) return uninterrupted(replace);
  const int moved = uninterrupted([&] { return ::renameat2(in, from, in, to, RENAME_NOREPLACE); });
  // EPERM: of a filter of system calls that is older than the call.
  if (moved == 0 || (errno != EINVAL && errno != ENOSYS && errno != EPERM)) return moved;
  if (uninterrupted([&] { return ::linkat(in, from, in, to, 0); }) == 0) {
    (void)::unlinkat(in, from, 0);
    return 0;
  }
  // File systems without links say so in many ways.
  if (errno == EEXIST) return -1;
  struct stat there {};
  if (::fstatat(in, to, &there, AT_SYMLINK_NOFOLLOW) == 0) errno = EEXIST;
  if (errno != ENOENT) return -1;
  is_safe = false;
  return uninterrupted(replace);
}

/// Whether the complete file has this name: a call that said otherwise may have done it all the
/// same, as over a network. A name that somebody else may know may be that of another file.
bool new_file::is_called(const std::string& name) const noexcept {
  const int error = errno;
  struct stat named {};
  const bool exists = ::fstatat(directory_.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0;
  errno = error;
  return exists && (name != where_.name || same(status_, named));
}

bool new_file::directory_is_in_place() const noexcept {
  struct stat ours {
  }, named{};
  return ::fstat(directory_.get(), &ours) == 0 && ::stat(where_.directory.c_str(), &named) == 0 &&
         same(ours, named);
}

/// With a slash, as where_ has it.
std::string new_file::directory_now() const {
  if (directory_is_in_place()) return where_.directory == "." ? "" : where_.directory;
  const std::string link = "/proc/self/fd/" + std::to_string(directory_.get());
  std::array<char, 4096> path{};
  const auto length = ::readlink(link.c_str(), path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) + "/" : "";
}

/// 0 or errno.
int new_file::sync_directory() const noexcept {
  const auto open = [&](const char* name, int flags) {
    return descriptor(::openat(directory_.get(), name, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags));
  };
  const auto error_of = [](int result) { return result < 0 ? errno : 0; };
  int error = 0;
  if (const descriptor directory = open(".", O_DIRECTORY)) {
    error = error_of(uninterrupted([&] { return ::fsync(directory.get()); }));
  } else if (const descriptor file = open(name_.c_str(), O_NOFOLLOW)) {
    // Who may not read the directory can only sync the whole file system,
    error = error_of(uninterrupted([&] { return ::syncfs(file.get()); }));
  } else {
    ::sync();  // or all of them.
  }
  // Some file systems, most of them in the network, know no such thing.
  return error == EINVAL || error == EOPNOTSUPP || error == ENOSYS ? 0 : error;
}

/// The path under which the complete file stays from now on: one that says so, if the file system
/// allows. Empty: it is nowhere, or somebody else's file is in its place.
std::string new_file::keep_complete() {
  std::string name = name_;
  const std::string suffix = ".complete-" + digits_.substr(0, 6);
  for (const std::string& wanted : {where_.name + suffix, "nbdstream" + suffix}) {
    bool is_safe = true;
    if (!is_called(name)) break;
    if (move_to(wanted, existing::kept, is_safe) == 0) name = wanted;
    if (name == wanted) break;
  }
  const bool there = is_called(name);
  name_.clear();
  return there ? directory_now() + name : "";
}

void new_file::fail_complete(int error, std::string text) {
  const std::string name = keep_complete();
  if (!name.empty()) text += "; the complete file is kept as " + name + ", to be renamed by hand";
  throw sink_error(error, text);
}

}  // namespace nbdstream::medium
