// SPDX-License-Identifier: BSD-3-Clause
#include "server/pidfile.hpp"

#include "config/config.hpp"
#include "io/error.hpp"
#include "io/unique_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>

namespace nbdstream {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw config::error(
      fmt::format("--pidfile {}: {}; give the path of a regular file, or of none "
                  "in a directory that can be written",
                  path, why));
}

/// The file of that name, no link followed; none: there is no file.
std::optional<struct stat> status_of(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) == 0) return found;
  return std::nullopt;
}

}  // namespace

void pidfile::check(const std::string& path) {
  if (path.empty()) return;
  if (const auto found = status_of(path); found && !S_ISREG(found->st_mode)) {
    refuse(path, "exists and is not a regular file");
  }
  const auto parent = std::filesystem::path(path).parent_path();
  const auto directory = parent.empty() ? std::filesystem::path(".") : parent;
  if (::access(directory.c_str(), W_OK | X_OK) != 0) refuse(path, from_errno().message());
}

void pidfile::write(const std::string& path) {
  if (path.empty()) return;
  check(path);
  // Written beside and renamed: it is never there in part, and no link is followed.
  const auto temporary = fmt::format("{}.{}", path, ::getpid());
  ::unlink(temporary.c_str());  // of one that was killed at this point; in a container IDs recur
  const io::unique_fd file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  const auto text = fmt::format("{}\n", ::getpid());
  struct stat made {};
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fstat(file.get(), &made) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const auto error = from_errno();
    if (file) ::unlink(temporary.c_str());
    throw std::runtime_error(
        fmt::format("{}: cannot write the pidfile: {}", path, error.message()));
  }
  path_ = path;
  ours_ = {{made.st_dev, made.st_ino}};
}

void pidfile::remove() noexcept {
  if (!ours_) return;
  const auto found = status_of(path_);
  if (found && ours_ == std::pair(found->st_dev, found->st_ino)) ::unlink(path_.c_str());
  ours_.reset();
}

}  // namespace nbdstream
