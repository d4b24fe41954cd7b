// SPDX-License-Identifier: BSD-3-Clause
#include "permissions.hpp"

#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <nbdstream/sink.hpp>

namespace nbdstream::file {
namespace {

constexpr auto acl_name = "system.posix_acl_access";

/// As the kernel stores it.
std::optional<std::string> acl_of(const std::string& path) {
  const ssize_t size = ::lgetxattr(path.c_str(), acl_name, nullptr, 0);
  if (size < 0)
    return errno == ENODATA || errno == ENOTSUP ? std::optional<std::string>("") : std::nullopt;
  std::string acl(static_cast<std::size_t>(size), '\0');
  if (::lgetxattr(path.c_str(), acl_name, acl.data(), acl.size()) != size) return std::nullopt;
  return acl;
}

}  // namespace

permissions::permissions(std::optional<mode_t> asked, const struct stat* replaced,
                         const std::string& path)
    : mode_(asked), inherited_(!asked && replaced), replaces_(replaced) {
  if (!replaced) return;
  replaced_ = *replaced;
  if (!inherited_) return;
  mode_ = replaced_.st_mode & 0777;
  acl_ = acl_of(path);
}

void permissions::give_to(int fd, const std::string& path) const {
  if (!mode_) return;
  // Only root may give files away; others may give them to groups that they are in.
  const bool same_group = !replaces_ || ::fchown(fd, replaced_.st_uid, replaced_.st_gid) == 0 ||
                          ::fchown(fd, static_cast<uid_t>(-1), replaced_.st_gid) == 0;
  mode_t mode = *mode_;
  if (inherited_) mode = same_group ? inherit(fd) : mode & 0707;
  if (::fchmod(fd, mode) < 0)
    throw std::system_error(errno, std::system_category(),
                            path + ": its permissions cannot be set");
}

/// Gives it the access list, and returns the mode that goes with it. Where there is a list, the
/// bits of the group are not the group's: they are a limit for all whom it names.
mode_t permissions::inherit(int fd) const noexcept {
  // The directory may have given it one by default, with others in it.
  if (acl_ && acl_->empty()) {
    if (::fremovexattr(fd, acl_name) == 0 || errno == ENODATA || errno == ENOTSUP) return *mode_;
  } else if (acl_ && ::fsetxattr(fd, acl_name, acl_->data(), acl_->size(), 0) == 0) {
    return *mode_;
  }
  return *mode_ & 0707;
}

}  // namespace nbdstream::file
