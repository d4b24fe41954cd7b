// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/lent_descriptor.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace nbdstream::conformance {

std::string lent_descriptor::fault_of(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return fmt::format("{} is no open descriptor", fd);
  if ((flags & O_ACCMODE) == O_RDONLY) return fmt::format("{} is open for reading only", fd);
  return {};
}

lent_descriptor::lent_descriptor(int fd, bool shared) : fd_(fd), shared_(shared) {
  ::fstat(fd_, &file_);
  flags_ = ::fcntl(fd_, F_GETFL);
  if (S_ISFIFO(file_.st_mode) && !shared_ && ::fcntl(fd_, F_SETFL, flags_ | O_NONBLOCK) == 0)
    flags_ |= O_NONBLOCK;
}

ssize_t lent_descriptor::write_some(std::string_view data) const {
  if (S_ISSOCK(file_.st_mode))
    return ::send(fd_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  // A pipe that is ready takes so much without blocking.
  const bool paced = S_ISFIFO(file_.st_mode) && !(flags_ & O_NONBLOCK);
  return ::write(fd_, data.data(),
                 paced ? std::min<std::size_t>(data.size(), PIPE_BUF) : data.size());
}

int lent_descriptor::write(std::string_view data, clock::duration grace) const {
  const auto until = clock::now() + grace;
  while (!data.empty()) {
    pollfd p{fd_, POLLOUT, 0};
    ::poll(&p, 1, 100);
    const bool ready = p.revents != 0;
    const auto n = ready ? write_some(data) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) return -errno;
    if (n > 0) data.remove_prefix(static_cast<std::size_t>(n));
    if (!data.empty() && clock::now() >= until) return -ETIMEDOUT;
  }
  return 0;
}

std::optional<off_t> lent_descriptor::offset() const {
  if (flags_ & O_APPEND) return std::nullopt;
  const auto at = ::lseek(fd_, 0, SEEK_CUR);
  return at < 0 ? std::nullopt : std::optional(at);
}

std::string lent_descriptor::change() const {
  struct stat now {};
  if (::fstat(fd_, &now) < 0) return "closed it";
  if (now.st_dev != file_.st_dev || now.st_ino != file_.st_ino)
    return "put another file in its place";
  if (shared_ && ::fcntl(fd_, F_GETFL) != flags_) return "changed its flags";
  return {};
}

}  // namespace nbdstream::conformance
