// SPDX-License-Identifier: BSD-3-Clause
#include "io/fd_writer.hpp"

#include "io/parts.hpp"
#include "io/zeroes.hpp"

#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace nbdstream::io {
namespace {

constexpr int stop_interval_ms = 100;

/// Between two looks at what the reader has taken.
constexpr clock::duration shortest_pause = std::chrono::microseconds(100);
constexpr clock::duration longest_pause = std::chrono::milliseconds(20);

constexpr std::uint64_t largest_splice = 1 << 30;  // bytes; the call takes no more than 2^31

/// Takes the first `count` bytes off.
void advance(std::span<iovec>& parts, std::size_t count) {
  while (!parts.empty() && count >= parts.front().iov_len) {
    count -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (count == 0) return;
  auto& first = parts.front();
  first.iov_base = static_cast<std::byte*>(first.iov_base) + count;
  first.iov_len -= count;
}

/// So many the system takes with one call.
std::span<iovec> at_once(std::span<iovec> parts) {
  return parts.first(std::min<std::size_t>(parts.size(), IOV_MAX));
}

ssize_t write_some(int fd, std::span<iovec> parts) {
  const auto now = at_once(parts);
  return ::writev(fd, now.data(), static_cast<int>(now.size()));
}

ssize_t send_some(int socket, std::span<iovec> parts) {
  const auto now = at_once(parts);
  msghdr message{};
  message.msg_iov = now.data();
  message.msg_iovlen = now.size();
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/// What was expected to block may not do so after all.
void wait_for_room_here(int fd) {
  pollfd p{fd, POLLOUT, 0};
  ::poll(&p, 1, stop_interval_ms);
}

/// On the worker's thread. Returns 0 or -errno.
std::int64_t write_blocking(int fd, bool paced, std::span<iovec> parts,
                            const std::atomic<bool>& stop) {
  while (!parts.empty()) {
    if (stop.load(std::memory_order_relaxed)) return -ECANCELED;
    if (paced) {
      pollfd p{fd, POLLOUT, 0};
      if (::poll(&p, 1, stop_interval_ms) <= 0) continue;
    }
    const auto& first = parts.front();
    const auto n = paced
                       ? ::write(fd, first.iov_base, std::min<std::size_t>(first.iov_len, PIPE_BUF))
                       : write_some(fd, parts);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return -errno;
    if (n < 0 && errno == EAGAIN) wait_for_room_here(fd);
    if (n > 0) advance(parts, static_cast<std::size_t>(n));
  }
  return 0;
}

/// The same with zeroes: one call of the thread however many there are, few of the system.
std::int64_t write_blocking_zeroes(int fd, bool paced, std::uint64_t count,
                                   const std::atomic<bool>& stop) {
  constexpr std::size_t blocks = 16;
  while (count > 0) {
    if (paced || count < blocks * zero_block.size()) {
      auto piece = part_of(zero_piece(count));
      const auto size = piece.iov_len;
      const auto result = write_blocking(fd, paced, std::span(&piece, 1), stop);
      if (result < 0) return result;
      count -= size;
      continue;
    }
    if (stop.load(std::memory_order_relaxed)) return -ECANCELED;
    std::array<iovec, blocks> many{};
    many.fill(part_of(zero_block));
    const auto n = ::writev(fd, many.data(), blocks);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return -errno;
    if (n < 0 && errno == EAGAIN) wait_for_room_here(fd);
    if (n > 0) count -= static_cast<std::uint64_t>(n);
  }
  return 0;
}

}  // namespace

error_code fd_writer::dropped() const {
  if (stop_) return asio::error::operation_aborted;
  return {};
}

error_code fd_writer::to_error(std::int64_t result) {
  if (result >= 0) return {};
  if (result == -ECANCELED) return asio::error::operation_aborted;
  return from_errno(static_cast<int>(-result));
}

fd_writer::fd_writer(int fd, bool shared, fd_waiter& ready, worker& thread,
                     const std::atomic<bool>& stop, bool copy_only)
    : fd_(fd),
      how_(choose(fd, shared)),
      file_way_(choose_file_way(fd, copy_only)),
      splices_(file_way_ != file_way::copied || (discards() && !copy_only)),
      tees_(file_way_ == file_way::spliced),
      ready_(ready),
      thread_(thread),
      stop_(stop) {}

/// What kind of file it is, as in st_mode; 0 where that cannot be known. Other than fstat(),
/// statx() asks no server or disk, which may take its time: this is known here. Where a sandbox
/// does not let us ask like that, it may take its time.
unsigned fd_writer::type_of(int fd) noexcept {
  struct statx s {};
  const int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
  if (::statx(fd, "", flags, STATX_TYPE, &s) == 0) return s.stx_mode & S_IFMT;
  struct stat old {};
  return ::fstat(fd, &old) == 0 ? old.st_mode & S_IFMT : 0;
}

fd_writer::how fd_writer::choose(int fd, bool shared) {
  const auto type = type_of(fd);
  if (S_ISSOCK(type)) return how::socket;
  if (S_ISFIFO(type)) {
    // Of a shared one others may change the flags at any time.
    const int flags = ::fcntl(fd, F_GETFL);
    const bool ours = !shared && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
    return ours ? how::nonblocking : how::blocking_paced;
  }
  if (S_ISCHR(type) && discard::is_null_device(fd)) return how::discarded;
  return S_ISCHR(type) && ::isatty(fd) ? how::blocking_paced : how::blocking;
}

awaitable<error_code> fd_writer::write(std::span<const std::byte> data) {
  if (data.empty()) co_return error_code{};
  if (discards()) co_return dropped();
  auto part = part_of(data);
  if (blocking()) {
    worker::job job = [fd = fd_, paced = paced(), part, stop = &stop_]() mutable {
      return write_blocking(fd, paced, std::span(&part, 1), *stop);
    };
    const auto result = co_await thread_.run(std::move(job));
    co_return to_error(result);
  }
  const std::span<iovec> parts(&part, 1);
  co_return co_await write_parts(parts);
}

awaitable<error_code> fd_writer::write_parts(std::span<iovec> parts) {
  if (discards()) co_return dropped();
  if (blocking()) {
    worker::job job = [fd = fd_, paced = paced(), parts, stop = &stop_] {
      return write_blocking(fd, paced, parts, *stop);
    };
    const auto result = co_await thread_.run(std::move(job));
    co_return to_error(result);
  }
  while (!parts.empty()) {
    if (stop_) co_return asio::error::operation_aborted;
    const auto n = how_ == how::socket ? send_some(fd_, parts) : write_some(fd_, parts);
    if (n >= 0) {
      advance(parts, static_cast<std::size_t>(n));
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
  if (!stop_) co_await ready_.wait(fd_, POLLOUT);
  if (stop_) co_return asio::error::operation_aborted;
  co_return error_code{};
}

awaitable<error_code> fd_writer::write_zeroes(std::uint64_t count) {
  if (discards()) co_return dropped();
  if (tees_) {
    const auto error = co_await tee_zeroes(count);
    if (error || count == 0) co_return error;
  }
  if (blocking()) {
    worker::job job = [fd = fd_, paced = paced(), count, stop = &stop_] {
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

// The bytes of a file: by reference to a pipe, in the kernel to another file, else copied.

fd_writer::file_way fd_writer::choose_file_way(int fd, bool copy_only) {
  const auto type = copy_only ? 0 : type_of(fd);
  if (S_ISFIFO(type)) return file_way::spliced;
  if (S_ISREG(type) || S_ISBLK(type)) return file_way::in_kernel;
  // A socket, too: pages handed to it sit in the receive queue of a peer on this machine, where
  // nobody can tell when they were taken.
  return file_way::copied;
}

awaitable<error_code> fd_writer::send_file(int from, std::uint64_t offset, std::uint64_t count) {
  if (discards()) co_return dropped();
  if (!source_) source_ = std::make_shared<file_source>();
  source_->from = from;
  source_->to = fd_;
  source_->offset = offset;
  source_->left = count;
  source_->stop = &stop_;
  if (file_way_ != file_way::copied) {
    const bool splices = file_way_ == file_way::spliced;
    spliced_ = spliced_ || splices;
    const auto result = co_await run(splices ? &file_source::splice : &file_source::copy_in_kernel);
    if (!file_source::is_unsupported(result)) co_return to_error(result);
    file_way_ = file_way::copied;
  }
  co_return co_await copy_file();
}

awaitable<std::int64_t> fd_writer::run(file_step step) {
  for (;;) {
    if (stop_) co_return -ECANCELED;
    worker::job job = [source = source_, step] { return ((*source).*step)(); };
    const auto result = co_await thread_.run(std::move(job));
    if (result != -EAGAIN) co_return result;
    const auto error = co_await wait_for_room();
    if (error) co_return -ECANCELED;
  }
}

awaitable<error_code> fd_writer::copy_file() {
  while (source_->left > 0) {
    const auto result = co_await run(&file_source::read);
    if (result < 0) co_return to_error(result);
    const auto piece = source_->piece();
    const auto error = co_await write(piece);
    if (error) co_return error;
    source_->advance(piece.size());
  }
  co_return error_code{};
}

std::uint64_t fd_writer::in_transit() const noexcept {
  if (!spliced_) return 0;
  int held = 0;
  if (::ioctl(fd_, FIONREAD, &held) != 0 || held < 0) return UINT64_MAX;
  return static_cast<std::uint64_t>(held);
}

int fd_writer::held_bytes() const noexcept {
  const auto type = type_of(fd_);
  int held = 0;
  if (S_ISFIFO(type)) ::ioctl(fd_, FIONREAD, &held);
  if (S_ISSOCK(type)) ::ioctl(fd_, SIOCOUTQ, &held);
  return held;
}

awaitable<error_code> fd_writer::wait_until_taken() {
  // There is no event for it.
  auto pause = shortest_pause;
  while (held_bytes() > 0) {
    if (stop_) co_return asio::error::operation_aborted;
    pollfd p{fd_, 0, 0};
    const bool left = ::poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
    // Asked again: the reader may have taken the rest just before it left.
    if (left && held_bytes() > 0) co_return from_errno(EPIPE);
    co_await ready_.wait(fd_, 0, clock::now() + pause);
    pause = std::min(2 * pause, longest_pause);
  }
  co_return error_code{};
}

// What goes into a pipe without being copied, or into a file without passing through our memory:
// what a socket has received, and zeroes.

awaitable<splice_result> fd_writer::splice_to_file(int socket, std::uint64_t count) {
  splice_result did;
  if (!splice_pipe_) splice_pipe_ = std::make_shared<splice_pipe>();
  did.unsupported = !splice_pipe_->usable();
  if (!did.unsupported) {
    worker::job job = [through = splice_pipe_, socket, to = fd_, count, stop = &stop_] {
      return through->move(socket, to, count, *stop);
    };
    const auto result = co_await thread_.run(std::move(job));
    did.source_empty = result == -EAGAIN;
    did.unsupported = result == 0 && splice_pipe_->unsupported();
    // Also where it failed: whoever sent it must still be answered in step.
    did.moved = splice_pipe_->taken();
    if (!did.source_empty) did.error = to_error(result);
  }
  splices_ = !did.unsupported && !splice_pipe_->unsupported();
  co_return did;
}

awaitable<splice_result> fd_writer::splice(int socket, std::uint64_t count) {
  if (how_ == how::blocking) co_return co_await splice_to_file(socket, count);
  splice_result did;
  if (discards()) {
    did.error = dropped();
    if (did.error) co_return did;
    did = discard_.take(socket, fd_, count);
    splices_ = !did.unsupported;
    co_return did;
  }
  while (did.moved < count) {
    did.error = asio::error::operation_aborted;
    if (stop_) co_return did;
    const auto piece = std::min(count - did.moved, largest_splice);
    const auto n =
        ::splice(socket, nullptr, fd_, nullptr, piece, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    did.error = n < 0 ? from_errno() : error_code{};
    if (n > 0) did.moved += static_cast<std::uint64_t>(n);
    if (n > 0 || did.error.value() == EINTR) continue;
    if (n == 0 || did.error.value() != EAGAIN) break;
    did.error = {};
    // What was moved is the caller's to know before anybody waits.
    if (did.moved > 0) co_return did;
    // It does not say which end is to blame; to wait for the wrong one would be to spin.
    pollfd source{socket, POLLIN, 0};
    did.source_empty = ::poll(&source, 1, 0) == 0;
    if (did.source_empty) co_return did;
    did.error = co_await wait_for_room();
    if (did.error) co_return did;
  }
  if (did.moved == 0 && did.error && cannot_splice(did.error.value())) {
    did.error = {};
    did.unsupported = true;
    splices_ = false;
  }
  co_return did;
}

awaitable<error_code> fd_writer::tee_zeroes(std::uint64_t& count) {
  if (!zeroes_) zeroes_.emplace();
  while (count > 0) {
    if (stop_) co_return asio::error::operation_aborted;
    const auto n = zeroes_->usable() ? zeroes_->tee_to(fd_, count) : -EINVAL;
    if (n > 0) {
      count -= static_cast<std::uint64_t>(n);
    } else if (n == -EAGAIN) {
      const auto error = co_await wait_for_room();
      if (error) co_return error;
    } else if (cannot_splice(static_cast<int>(-n))) {
      tees_ = false;
      break;
    } else {
      co_return from_errno(static_cast<int>(-n));
    }
  }
  co_return error_code{};
}

}  // namespace nbdstream::io
