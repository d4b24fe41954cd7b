// SPDX-License-Identifier: BSD-3-Clause
//
// What a socket has received, into the sink and into the pipe of the thread that hashes: by
// reference, through a pipe of our own, since tee(2) copies references between two pipes only.
#include "stage/digest_sink.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

namespace nbdstream::stage {
namespace {

constexpr std::uint64_t at_once = io::largest_pipe / 2;  // bytes

constexpr std::size_t copy_piece = 64 << 10;  // bytes

}  // namespace

auto digest_sink::splice(int socket, std::uint64_t count) -> awaitable<io::splice_result> {
  io::splice_result did;
  moving_ = take(socket, std::min(count, at_once), did);
  did.moved = moving_;
  if (moving_ == 0) co_return did;
  const auto failed = co_await pass_on(moving_);
  moving_ = 0;
  did.error = failed.code;
  did.why = failed.why;
  co_return did;
}

/// From the socket into the pipe; never waits.
std::uint64_t digest_sink::take(int socket, std::uint64_t count, io::splice_result& did) {
  if (!between_.in) between_ = io::make_pipe(O_NONBLOCK);
  for (;;) {
    const auto n = between_.in ? ::splice(socket, nullptr, between_.in.get(), nullptr, count,
                                          SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
                               : (errno = EINVAL, -1);
    if (n >= 0) return static_cast<std::uint64_t>(n);
    if (errno == EINTR) continue;
    // The pipe is empty, so it is the socket that has nothing.
    did.source_empty = errno == EAGAIN;
    did.unsupported = io::cannot_splice(errno);
    if (did.unsupported) can_splice_ = false;
    if (!did.source_empty && !did.unsupported) did.error = from_errno();
    return 0;
  }
}

auto digest_sink::pass_on(std::uint64_t count) -> awaitable<failure> {
  failure failed;
  while (count > 0 && !failed) {
    std::uint64_t teed = 0;
    if (can_tee_) {
      const auto error = co_await tee(count, teed);
      if (error) co_return failed_in_tap(error);
    }
    if (teed > 0) {
      failed = co_await move_on(teed);
    } else {
      teed = count;
      failed = co_await copy_on(teed, true);
    }
    count -= teed;
  }
  co_return failed;
}

/// Gives the thread references to the first bytes of the pipe, `teed` of them; 0: that cannot be
/// done.
awaitable<error_code> digest_sink::tee(std::uint64_t count, std::uint64_t& teed) {
  for (;;) {
    if (cancelled_) co_return asio::error::operation_aborted;
    const auto n = ::tee(between_.out.get(), tap_.get(), count, SPLICE_F_NONBLOCK);
    if (n > 0) {
      teed = static_cast<std::uint64_t>(n);
      co_return error_code{};
    }
    if (n < 0 && errno == EAGAIN) {
      const under_way busy(working_, changed_);
      co_await ready_.wait(tap_.get(), POLLOUT);
    } else if (n == 0 || io::cannot_splice(errno)) {
      can_tee_ = can_splice_ = false;
      co_return error_code{};
    } else if (errno != EINTR) {
      co_return from_errno();
    }
  }
}

/// Moves so many bytes from the pipe to the sink, whose thread has them already.
auto digest_sink::move_on(std::uint64_t count) -> awaitable<failure> {
  while (count > 0) {
    if (!to_->splices()) co_return co_await copy_on(count, false);
    const auto did = co_await to_->splice(between_.out.get(), count);
    count -= did.moved;
    if (did.error) co_return failure{did.error, did.why};
    if (did.unsupported) co_return co_await copy_on(count, false);
    if (did.moved == 0) {
      co_return failure{from_errno(EIO), "bytes on their way to the sink were lost"};
    }
  }
  co_return failure{};
}

auto digest_sink::copy_on(std::uint64_t count, bool hash) -> awaitable<failure> {
  buffer_.resize(copy_piece);
  while (count > 0) {
    const auto n =
        ::read(between_.out.get(), buffer_.data(), std::min<std::uint64_t>(count, copy_piece));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) co_return failure{from_errno(n == 0 ? EIO : errno), "a pipe cannot be read"};
    const std::span<const std::byte> piece(buffer_.data(), static_cast<std::size_t>(n));
    failure failed;
    if (hash) {
      failed = co_await write(piece);
    } else {
      failed = co_await to_->write(piece);
    }
    if (failed) co_return failed;
    count -= piece.size();
  }
  co_return failure{};
}

}  // namespace nbdstream::stage
