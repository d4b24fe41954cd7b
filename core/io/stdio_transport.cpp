// SPDX-License-Identifier: BSD-3-Clause
#include "io/transport.hpp"

#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>

namespace nbdstream::io {
namespace {

/// The descriptions may be blocking and must stay so: read and write only what poll() promises.
/// A pipe that polls as writable takes PIPE_BUF bytes without blocking.
class stdio final : public transport {
 public:
  stdio(const asio::any_io_executor& executor, unique_fd in, unique_fd out)
      : in_(std::move(in)),
        out_(std::move(out)),
        readable_(executor),
        writable_(executor),
        gone_(executor) {}

  awaitable<io_result<std::size_t>> read_some(std::span<std::byte> into) override {
    for (;;) {
      if (closed_) co_return error_code(asio::error::operation_aborted);
      if (!ready(in_.get(), POLLIN)) {
        co_await readable_.wait(in_.get(), POLLIN);
        continue;
      }
      const auto n = ::read(in_.get(), into.data(), into.size());
      if (n >= 0) co_return static_cast<std::size_t>(n);
      if (errno != EINTR && errno != EAGAIN) co_return from_errno();
    }
  }

  awaitable<error_code> write(std::span<const std::byte> data) override {
    while (!data.empty()) {
      if (closed_) co_return error_code(asio::error::operation_aborted);
      if (!ready(out_.get(), POLLOUT)) {
        co_await writable_.wait(out_.get(), POLLOUT);
        continue;
      }
      const auto n = ::write(out_.get(), data.data(), std::min<std::size_t>(data.size(), PIPE_BUF));
      if (n >= 0) {
        data = data.subspan(static_cast<std::size_t>(n));
      } else if (errno != EINTR && errno != EAGAIN) {
        co_return from_errno();
      }
    }
    co_return error_code{};
  }

  awaitable<peer_state> wait_hangup() override {
    if (!closed_) co_await gone_.wait(out_.get(), 0);
    co_return closed_ ? peer_state::connected : peer();
  }

  peer_state peer() noexcept override {
    pollfd p{out_.get(), 0, 0};
    const bool gone = ::poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
    return gone ? peer_state::hung_up : peer_state::connected;
  }

  awaitable<bool> all_delivered(clock::time_point) override { co_return true; }

  std::size_t unread() noexcept override {
    int bytes = 0;
    return ::ioctl(in_.get(), FIONREAD, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
  }

  void close() noexcept override {
    closed_ = true;
    readable_.cancel();
    writable_.cancel();
    gone_.cancel();
  }

 private:
  [[nodiscard]] static bool ready(int fd, short events) noexcept {
    pollfd p{fd, events, 0};
    return ::poll(&p, 1, 0) != 0;
  }

  unique_fd in_;
  unique_fd out_;
  fd_waiter readable_;
  fd_waiter writable_;
  fd_waiter gone_;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<transport> stdio_transport(const asio::any_io_executor& executor, unique_fd in,
                                           unique_fd out) {
  return std::make_unique<stdio>(executor, std::move(in), std::move(out));
}

}  // namespace nbdstream::io
