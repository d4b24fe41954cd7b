// SPDX-License-Identifier: BSD-3-Clause
//
// Unix sockets, and what they leave in the file system.
#include "server/listen.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

namespace nbdstream {
namespace {

using io::unique_fd;

/// Who holds the lock of a directory does so for a few system calls; or it is somebody who knows
/// nothing of us, for whom nobody waits longer.
constexpr auto lock_patience = std::chrono::seconds(1);
constexpr auto lock_interval = std::chrono::milliseconds(5);

/// Keeps servers that start at the same time out of each other's way: what one of them takes for
/// stale must not be what the other has just bound. Leaves nothing behind.
class directory_lock {
 public:
  explicit directory_lock(const std::string& path) {
    const auto slash = path.rfind('/');
    const auto directory = slash == path.npos ? "." : path.substr(0, slash + 1);
    directory_.reset(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // A directory that cannot be read cannot be locked, and need not be.
    const auto until = std::chrono::steady_clock::now() + lock_patience;
    while (directory_ && ::flock(directory_.get(), LOCK_EX | LOCK_NB) != 0 &&
           errno == EWOULDBLOCK && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(lock_interval);
    }
  }

 private:
  unique_fd directory_;
};

/// A socket is born with its permissions: a chmod() after bind() would come too late for one who
/// connects in between, and could meet another file.
class creation_mask {
 public:
  explicit creation_mask(std::optional<mode_t> mode) : before_(::umask(0)) {
    ::umask(mode ? 0777 & ~*mode : before_);
  }
  ~creation_mask() { ::umask(before_); }
  creation_mask(const creation_mask&) = delete;
  creation_mask& operator=(const creation_mask&) = delete;

 private:
  mode_t before_;
};

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail_to_listen(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

/// "another server (process 12)", as far as the system tells.
std::string listener_at(int connected) {
  ucred who{};
  socklen_t length = sizeof who;
  const bool known =
      ::getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && who.pid > 0;
  return known ? fmt::format("another server (process {})", who.pid) : "another server";
}

/// Removes a socket that an earlier server left behind; refuses whatever else has the name.
void remove_stale_socket(const std::string& path, const sockaddr_un& address) {
  struct stat s {};
  if (::lstat(path.c_str(), &s) != 0) return;
  if (!S_ISSOCK(s.st_mode)) {
    throw listen_error(fmt::format("{}: exists and is not a socket; choose another path", path));
  }
  const auto probe = open_socket(AF_UNIX, path);
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (connected != 0 && errno == EACCES) {
    throw listen_error(fmt::format(
        "{}: is a socket that this user may not connect to; choose another path", path));
  }
  if (connected == 0 || errno != ECONNREFUSED) {
    throw listen_error(
        fmt::format("{}: {} listens there; choose another path", path, listener_at(probe.get())));
  }
  if (::unlink(path.c_str()) != 0) fail_to_listen(path, errno);
}

constexpr std::string_view private_name = "/nbd.sock";

/// Where the directory of a private socket may be.
struct private_place {
  std::string directory;
  bool is_tmpdir = false;  ///< where the user wants it, if at all possible
};

std::vector<private_place> private_places() {
  std::vector<private_place> places;
  const char* const temporary = std::getenv("TMPDIR");
  if (temporary && *temporary) places.push_back({temporary, true});
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  if (!places.empty() && runtime && *runtime) places.push_back({runtime});
  if (!places.empty()) places.push_back({fmt::format("/run/user/{}", ::geteuid())});
  places.push_back({"/tmp"});
  return places;
}

/// The absolute path, without links; none where nothing is there, with errno.
std::optional<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> found(::realpath(path.c_str(), nullptr),
                                                          &std::free);
  if (!found) return std::nullopt;
  return found.get();
}

listening_socket listen_in_own(const std::string& directory) {
  try {
    auto s = listen_unix(directory + std::string(private_name), std::nullopt);
    s.remove_directory = directory;
    return s;
  } catch (...) {
    ::rmdir(directory.c_str());
    throw;
  }
}

}  // namespace

listening_socket listen_unix(const std::string& path, std::optional<mode_t> mode) {
  const auto address = unix_address(path);
  const directory_lock lock(path);
  remove_stale_socket(path, address);
  listening_socket s;
  s.fd = open_socket(AF_UNIX, path);
  {
    const creation_mask mask(mode);
    bind_and_listen(s.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, path);
  }
  // The URI must serve a command that changes its directory.
  s.unix_path = real_path(path).value_or(path);
  struct stat made {};
  if (::lstat(path.c_str(), &made) == 0) s.ours = {{made.st_dev, made.st_ino}};
  return s;
}

listening_socket listen_private_unix(log::logger& log) {
  std::string why;  // it is not in the first of them
  for (const auto& place : private_places()) {
    const auto resolved = real_path(place.directory);
    std::string directory = resolved.value_or(place.directory) + "/nbdstream-XXXXXX";
    const bool fits = directory.size() + private_name.size() <= longest_unix_path;
    if (fits && resolved && ::mkdtemp(directory.data())) {  // mode 0700
      if (!why.empty()) log.debug("{}; the private socket is in {}", why, directory);
      return listen_in_own(directory);
    }
    if (why.empty()) {
      why = fmt::format("{}: {}", directory,
                        fits ? from_errno().message() : "too long for the path of a socket");
    }
    if (fits && place.is_tmpdir) break;
  }
  throw listen_error(
      fmt::format("{}; set TMPDIR to a directory that can be written, or give "
                  "--unix PATH",
                  why));
}

listening_socket listen_abstract(const std::string& name) {
  const auto what = fmt::format("unix:@{}", name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) fail_to_listen(what, ENAMETOOLONG);
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  listening_socket s;
  s.fd = open_socket(AF_UNIX, what);
  const auto length = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  bind_and_listen(s.fd.get(), reinterpret_cast<const sockaddr*>(&address),
                  static_cast<socklen_t>(length), what);
  s.unix_path = "@" + name;
  s.abstract = true;
  return s;
}

}  // namespace nbdstream
