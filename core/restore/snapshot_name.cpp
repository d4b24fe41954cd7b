// SPDX-License-Identifier: BSD-3-Clause
#include "restore/snapshot_name.hpp"

#include "diff/records.hpp"
#include "io/unique_fd.hpp"
#include "restore/failure.hpp"
#include "restore/local_disk.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace nbdstream::restore {
namespace {

constexpr const char* attribute = "user.nbdstream.snapshot";
constexpr const char* suffix = ".nbdstream-snapshot";

/// A name, and the byte that begins a marker; one more tells that it is longer.
using buffer = std::array<char, diff::longest_name + 2>;

std::optional<std::string> read_attribute(int fd, const std::string& path) {
  buffer text{};
  const auto length = ::fgetxattr(fd, attribute, text.data(), text.size());
  if (length >= 0) return std::string(text.data(), static_cast<std::size_t>(length));
  if (errno == ENODATA || errno == ENOTSUP || errno == EPERM) return std::nullopt;
  fail_with_errno(path, std::string("the attribute ") + attribute + " cannot be read");
}

std::optional<std::string> read_beside(const std::string& path) {
  const io::unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  // No file can have a name that is too long.
  if (!fd && (errno == ENOENT || errno == ENAMETOOLONG)) return std::nullopt;
  if (!fd) fail_with_errno(path, "cannot be opened");
  buffer text{};
  const auto length = ::pread(fd.get(), text.data(), text.size(), 0);
  if (length < 0) fail_with_errno(path, "cannot be read");
  if (static_cast<std::size_t>(length) == text.size())
    throw failure(path + " holds no name of a snapshot: it is too long");
  return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace

snapshot_name::snapshot_name(int fd, std::string path)
    : fd_(fd), path_(std::move(path)), beside_(path_ + suffix) {}

snapshot_state snapshot_name::read() const {
  auto text = read_attribute(fd_, path_);
  if (!text) text = read_beside(beside_);
  if (!text) return {snapshot_state::kind::unknown};
  if (text->starts_with('\0')) return {snapshot_state::kind::interrupted, text->substr(1)};
  return {snapshot_state::kind::known, *text};
}

void snapshot_name::mark_interrupted(const std::optional<std::string>& from) const {
  store('\0' + from.value_or(""));
}

void snapshot_name::write(const std::optional<std::string>& name) const {
  if (name) return store(*name);
  remove_beside();
  remove_attribute();
}

/// The attribute is read first: where the name goes beside the file, an attribute that was there
/// goes last, so that what a crash leaves is the older one, and never nothing.
void snapshot_name::store(const std::string& text) const {
  if (store_in_attribute(text)) return remove_beside();
  store_beside(text);
  remove_attribute();
}

bool snapshot_name::store_in_attribute(const std::string& text) const {
  if (::fsetxattr(fd_, attribute, text.data(), text.size(), 0) == 0) {
    if (::fsync(fd_) == 0) return true;
    fail_with_errno(path_, std::string("the attribute ") + attribute + " did not reach the disk");
  }
  // What file systems say that know none, or have no room for one of that length.
  for (const int error : {ENOTSUP, EPERM, ENOSYS, ENOSPC, E2BIG, ERANGE, EDQUOT}) {
    if (errno == error) return false;
  }
  fail_with_errno(path_, std::string("the attribute ") + attribute + " cannot be set");
}

void snapshot_name::remove_attribute() const {
  if (::fremovexattr(fd_, attribute) == 0) {
    ::fsync(fd_);
    return;
  }
  if (errno != ENODATA && errno != ENOTSUP && errno != EPERM && errno != ENOSYS)
    fail_with_errno(path_, std::string("the attribute ") + attribute + " cannot be removed");
}

/// Under another name first, so that nobody finds a part of it.
void snapshot_name::store_beside(const std::string& text) const {
  std::string part = beside_ + "-XXXXXX";
  const io::unique_fd fd(::mkostemp(part.data(), O_CLOEXEC));
  if (!fd) fail_with_errno(beside_, "the name of the snapshot cannot be kept");
  try {
    write_all(fd.get(), 0, std::as_bytes(std::span(text)), part);
    struct stat status {};
    // Whoever may read the disk may know what it is.
    if (::stat(path_.c_str(), &status) == 0) (void)::fchmod(fd.get(), status.st_mode & 0666);
    if (::fsync(fd.get()) < 0 || ::rename(part.c_str(), beside_.c_str()) < 0)
      fail_with_errno(beside_, "the name of the snapshot cannot be kept");
  } catch (...) {
    ::unlink(part.c_str());
    throw;
  }
  sync_directory();
}

void snapshot_name::remove_beside() const {
  struct stat status {};
  // In a directory that cannot be written even what is not there cannot be removed.
  if (::lstat(beside_.c_str(), &status) < 0 && (errno == ENOENT || errno == ENAMETOOLONG)) return;
  if (::unlink(beside_.c_str()) == 0) return sync_directory();
  if (errno != ENOENT) fail_with_errno(beside_, "cannot be removed");
}

std::string snapshot_name::directory() const {
  const auto slash = path_.rfind('/');
  return slash == std::string::npos ? "." : path_.substr(0, slash + 1);
}

void snapshot_name::sync_directory() const {
  const io::unique_fd fd(::open(directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Who may not read it, or whose file system knows no such thing, has done what can be done.
  if (fd) (void)::fsync(fd.get());
}

}  // namespace nbdstream::restore
