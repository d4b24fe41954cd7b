// SPDX-License-Identifier: BSD-3-Clause
#include "io/fd_writer.hpp"

#include "io/zeroes.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace nbdstream::io {
namespace {

constexpr int stop_interval_ms = 100;

/// On the worker's thread. Returns 0 or -errno.
std::int64_t write_blocking(int fd, bool paced, std::span<const std::byte> data,
                            const std::atomic<bool>& stop) {
  while (!data.empty()) {
    if (stop.load(std::memory_order_relaxed)) return -ECANCELED;
    if (paced) {
      pollfd p{fd, POLLOUT, 0};
      if (::poll(&p, 1, stop_interval_ms) <= 0) continue;
    }
    const auto piece = paced ? std::min<std::size_t>(data.size(), PIPE_BUF) : data.size();
    const auto n = ::write(fd, data.data(), piece);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return -errno;
    if (n > 0) data = data.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace

fd_writer::fd_writer(int fd, bool shared, readiness& ready, worker& thread,
                     const std::atomic<bool>& stop, const std::function<void()>& before_wait)
    : fd_(fd),
      how_(choose(fd, shared)),
      ready_(ready),
      thread_(thread),
      stop_(stop),
      before_wait_(before_wait) {}

fd_writer::how fd_writer::choose(int fd, bool shared) {
  struct stat s {};
  if (::fstat(fd, &s) != 0) return how::blocking;
  if (S_ISSOCK(s.st_mode)) return how::socket;
  if (S_ISFIFO(s.st_mode)) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags & O_NONBLOCK) return how::nonblocking;
    if (!shared && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0) return how::nonblocking;
    return how::blocking_paced;
  }
  return S_ISCHR(s.st_mode) && ::isatty(fd) ? how::blocking_paced : how::blocking;
}

awaitable<error_code> fd_writer::write(std::span<const std::byte> data) {
  if (blocking()) {
    const bool paced = how_ == how::blocking_paced;
    if (before_wait_) before_wait_();
    worker::job job = [fd = fd_, paced, data, stop = &stop_] {
      return write_blocking(fd, paced, data, *stop);
    };
    const auto result = co_await thread_.run(std::move(job));
    if (result == -ECANCELED) co_return asio::error::operation_aborted;
    co_return from_errno(static_cast<int>(-result));
  }
  while (!data.empty()) {
    if (stop_) co_return asio::error::operation_aborted;
    const auto n = how_ == how::socket
                       ? ::send(fd_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                       : ::write(fd_, data.data(), data.size());
    if (n >= 0) {
      data = data.subspan(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (before_wait_) before_wait_();
      if (stop_) co_return asio::error::operation_aborted;
      co_await ready_.wait(fd_, POLLOUT);
    } else if (errno != EINTR) {
      co_return from_errno();
    }
  }
  co_return error_code{};
}

awaitable<error_code> fd_writer::write_zeroes(std::uint64_t count) {
  while (count > 0) {
    const auto piece = zero_piece(count);
    const auto error = co_await write(piece);
    if (error) co_return error;
    count -= piece.size();
  }
  co_return error_code{};
}

}  // namespace nbdstream::io
