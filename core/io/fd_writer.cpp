// SPDX-License-Identifier: BSD-3-Clause
#include "io/fd_writer.hpp"

#include "io/zeroes.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

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

/// The same with zeroes: one call of the thread however many there are, few of the system.
std::int64_t write_blocking_zeroes(int fd, bool paced, std::uint64_t count,
                                   const std::atomic<bool>& stop) {
  constexpr std::size_t blocks = 16;
  while (count > 0) {
    if (paced || count < blocks * zero_block.size()) {
      const auto piece = zero_piece(count);
      const auto result = write_blocking(fd, paced, piece, stop);
      if (result < 0) return result;
      count -= piece.size();
      continue;
    }
    if (stop.load(std::memory_order_relaxed)) return -ECANCELED;
    std::array<iovec, blocks> many{};
    many.fill({const_cast<std::byte*>(zero_block.data()), zero_block.size()});
    const auto n = ::writev(fd, many.data(), blocks);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return -errno;
    if (n > 0) count -= static_cast<std::uint64_t>(n);
  }
  return 0;
}

}  // namespace

error_code fd_writer::to_error(std::int64_t result) {
  if (result >= 0) return {};
  if (result == -ECANCELED) return asio::error::operation_aborted;
  return from_errno(static_cast<int>(-result));
}

fd_writer::fd_writer(int fd, bool shared, readiness& ready, worker& thread,
                     const std::atomic<bool>& stop, const std::function<void()>& before_wait,
                     bool copy_only)
    : fd_(fd),
      how_(choose(fd, shared)),
      file_way_(choose_file_way(fd, copy_only)),
      splices_(file_way_ == file_way::spliced),
      tees_(splices_),
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
    co_return to_error(result);
  }
  while (!data.empty()) {
    if (stop_) co_return asio::error::operation_aborted;
    const auto n = how_ == how::socket
                       ? ::send(fd_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                       : ::write(fd_, data.data(), data.size());
    if (n >= 0) {
      data = data.subspan(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      const auto error = co_await wait_for_room();
      if (error) co_return error;
    } else if (errno != EINTR) {
      co_return from_errno();
    }
  }
  co_return error_code{};
}

awaitable<error_code> fd_writer::wait_for_room() {
  if (before_wait_) before_wait_();
  if (!stop_) co_await ready_.wait(fd_, POLLOUT);
  if (stop_) co_return asio::error::operation_aborted;
  co_return error_code{};
}

awaitable<error_code> fd_writer::write_zeroes(std::uint64_t count) {
  if (tees_) {
    const auto error = co_await tee_zeroes(count);
    if (error || count == 0) co_return error;
  }
  if (blocking()) {
    const bool paced = how_ == how::blocking_paced;
    if (before_wait_) before_wait_();
    worker::job job = [fd = fd_, paced, count, stop = &stop_] {
      return write_blocking_zeroes(fd, paced, count, *stop);
    };
    const auto result = co_await thread_.run(std::move(job));
    co_return to_error(result);
  }
  while (count > 0) {
    const auto piece = zero_piece(count);
    const auto error = co_await write(piece);
    if (error) co_return error;
    count -= piece.size();
  }
  co_return error_code{};
}

}  // namespace nbdstream::io
