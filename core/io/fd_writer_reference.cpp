// SPDX-License-Identifier: BSD-3-Clause
//
// What goes into a pipe without being copied, or into a file without passing through our memory:
// what a socket has received, and zeroes.
#include "io/fd_writer.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>

namespace nbdstream::io {
namespace {

constexpr std::uint64_t largest_splice = 1 << 30;  // bytes; the call takes no more than 2^31

}  // namespace

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
