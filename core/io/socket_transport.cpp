// SPDX-License-Identifier: BSD-3-Clause
#include "io/transport.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace nbdstream::io {
namespace {

using asio::posix::descriptor_base;

/// Tries the system call first and waits only on EAGAIN: most calls succeed at once.
class socket final : public transport {
 public:
  socket(const asio::any_io_executor& executor, unique_fd fd) : socket_(executor) {
    socket_.assign(fd.release());
  }

  awaitable<io_result<std::size_t>> read_some(std::span<std::byte> into) override {
    for (;;) {
      if (closed_) co_return aborted();
      const auto n = ::recv(fd(), into.data(), into.size(), MSG_DONTWAIT);
      if (n >= 0) co_return static_cast<std::size_t>(n);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return from_errno();
      co_await wait(descriptor_base::wait_read);
    }
  }

  awaitable<error_code> write(std::span<const std::byte> data) override {
    while (!data.empty()) {
      if (closed_) co_return aborted();
      const auto n = ::send(fd(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n >= 0) {
        data = data.subspan(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN) {
        co_await wait(descriptor_base::wait_write);
      } else if (errno != EINTR) {
        co_return from_errno();
      }
    }
    co_return error_code{};
  }

  std::size_t try_write(std::span<const std::byte> data) noexcept override {
    if (closed_) return 0;
    const auto n = ::send(fd(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }

  awaitable<bool> hung_up() override {
    co_await wait(descriptor_base::wait_error);
    // Urgent data, which a peer may send as it likes, ends this wait too: then it is not repeated,
    // since it would end again at once.
    pollfd p{fd(), 0, 0};
    co_return !closed_ && ::poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
  }

  void close() noexcept override {
    closed_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }

 private:
  [[nodiscard]] int fd() { return socket_.native_handle(); }
  [[nodiscard]] static error_code aborted() { return asio::error::operation_aborted; }
  awaitable<void> wait(descriptor_base::wait_type what) {
    co_await socket_.async_wait(what, asio::as_tuple(asio::use_awaitable));
  }

  asio::posix::stream_descriptor socket_;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<transport> socket_transport(const asio::any_io_executor& executor, unique_fd fd) {
  return std::make_unique<socket>(executor, std::move(fd));
}

}  // namespace nbdstream::io
