// SPDX-License-Identifier: BSD-3-Clause
#include "stream_lock.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace nbdstream::fifo {
namespace {

using medium::descriptor;

struct lock_name {
  sockaddr_un address{};
  socklen_t length = 0;

  explicit lock_name(const struct stat& fifo) noexcept {
    address.sun_family = AF_UNIX;
    // The zero byte that stays at the beginning makes it an abstract name.
    const int digits = std::snprintf(
        address.sun_path + 1, sizeof address.sun_path - 1, "nbdstream-fifo-%llx-%llx",
        static_cast<unsigned long long>(fifo.st_dev), static_cast<unsigned long long>(fifo.st_ino));
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1) +
             static_cast<socklen_t>(digits);
  }
  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&address);
  }
};

descriptor make_socket() noexcept {
  return descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

bool stream_lock::take(const struct stat& fifo) {
  if (is_of(fifo)) return true;
  release();
  device_ = fifo.st_dev;
  inode_ = fifo.st_ino;
  descriptor socket = make_socket();
  const lock_name name(fifo);
  if (!socket) return true;
  if (::bind(socket.get(), name.get(), name.length) == 0) {
    // Who waits connects, and is told by the system who listens here.
    (void)::listen(socket.get(), SOMAXCONN);
    socket_ = std::move(socket);
    return true;
  }
  if (errno != EADDRINUSE || !is_held_by_a_writer_of(fifo)) return true;
  inode_ = 0;
  return false;
}

/// Anybody can have the name. Who may not write to the FIFO keeps us from nothing.
bool stream_lock::is_held_by_a_writer_of(const struct stat& fifo) noexcept {
  const descriptor question = make_socket();
  const lock_name name(fifo);
  ucred who{};
  socklen_t size = sizeof who;
  if (!question || ::connect(question.get(), name.get(), name.length) < 0 ||
      ::getsockopt(question.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
    return true;
  holder_ = who.pid;
  return who.uid == 0 || who.uid == ::geteuid() || who.uid == fifo.st_uid ||
         (fifo.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

void stream_lock::release() noexcept {
  socket_.reset();
  device_ = 0;
  inode_ = 0;
}

bool stream_lock::is_of(const struct stat& fifo) const noexcept {
  return inode_ == fifo.st_ino && device_ == fifo.st_dev;
}

std::string stream_lock::holder() const {
  return holder_ > 0 ? "process " + std::to_string(holder_) : "another process";
}

}  // namespace nbdstream::fifo
