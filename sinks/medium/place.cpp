// SPDX-License-Identifier: BSD-3-Clause
#include "place.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nbdstream/sink.hpp>

#include "descriptor.hpp"

namespace nbdstream::medium {
namespace {

enum class protection { none, immutable, append_only };

protection protection_of_flags(bool immutable, bool append_only) noexcept {
  if (immutable) return protection::immutable;
  return append_only ? protection::append_only : protection::none;
}

/// What chattr(1) has made of a file or directory; none where the file system cannot say.
protection protection_of(const std::string& path) noexcept {
  constexpr std::uint64_t both = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE, &status) == 0 &&
      (status.stx_attributes_mask & both) == both)
    return protection_of_flags((status.stx_attributes & STATX_ATTR_IMMUTABLE) != 0,
                               (status.stx_attributes & STATX_ATTR_APPEND) != 0);
  // Kernels, and filters of system calls, that are older than that.
  const descriptor fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  int flags = 0;
  if (!fd || ::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) < 0) return protection::none;
  return protection_of_flags((flags & FS_IMMUTABLE_FL) != 0, (flags & FS_APPEND_FL) != 0);
}

/// The number of the mount that a path leads into, of which proc(5) tells; -1 where it does not.
int mount_of(const std::string& path) noexcept {
  const descriptor fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "/proc/self/fdinfo/%d", fd.get());
  const descriptor info(::open(name.data(), O_RDONLY | O_CLOEXEC));
  std::array<char, 512> text{};
  if (!fd || !info || ::read(info.get(), text.data(), text.size() - 1) <= 0) return -1;
  const char* line = std::strstr(text.data(), "mnt_id:");
  int number = -1;
  return line != nullptr && std::sscanf(line, "mnt_id: %d", &number) == 1 ? number : -1;
}

void check_name(const std::string& path, const place& where) {
  const long longest = ::pathconf(where.directory.c_str(), _PC_NAME_MAX);
  if (longest > 0 && where.name.size() > static_cast<std::size_t>(longest))
    throw sink_error(ENAMETOOLONG, path + ": the name of this file has " +
                                       std::to_string(where.name.size()) +
                                       " bytes, but its file system takes " +
                                       std::to_string(longest) + ": choose a shorter one");
}

/// An append-only directory takes new files, but then none of them can get another name.
void check_directory(const std::string& path, const std::string& directory) {
  const auto refuse = [&](const char* what, const char* flag) {
    throw sink_error(EPERM, path + ": its directory is " + what +
                                ": choose another directory, or "
                                "`chattr -" +
                                flag + " " + directory + "`");
  };
  switch (protection_of(directory)) {
    case protection::immutable: refuse("immutable, so no file can be made there", "i"); break;
    case protection::append_only:
      refuse("append-only, so no file there can be renamed or removed", "a");
      break;
    case protection::none: break;
  }
  // Not faccessat(): where a filter of system calls denies faccessat2, it fails with EPERM.
  if (::eaccess(directory.c_str(), W_OK | X_OK) == 0) return;
  if (errno == ENOENT) throw sink_error(ENOENT, path + ": its directory does not exist");
  throw std::system_error(errno, std::system_category(),
                          path + ": no file can be made in its directory");
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
  check_directory(path, where.directory);
  check_name(path, where);
  return where;
}

void check_replaceable(const place& where) {
  const std::string path = where.path();
  const auto refuse = [&](int error, const std::string& what, const std::string& remedy) {
    throw sink_error(error, path + " is " + what + ", so no other file can take its place: " +
                                "choose another path, or " + remedy);
  };
  const int mount = mount_of(path);
  const int around = mount_of(where.directory);
  if (mount >= 0 && around >= 0 && mount != around)
    refuse(EBUSY, "a mount point", "mount its directory instead");
  switch (protection_of(path)) {
    case protection::immutable: refuse(EPERM, "immutable", "`chattr -i " + path + "`"); break;
    case protection::append_only: refuse(EPERM, "append-only", "`chattr -a " + path + "`"); break;
    case protection::none: break;
  }
}

}  // namespace nbdstream::medium
