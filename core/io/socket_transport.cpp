// SPDX-License-Identifier: BSD-3-Clause
#include "io/transport.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <climits>

namespace nbdstream::io {
namespace {

using asio::posix::descriptor_base;

/// How often the acknowledgement of the last bytes is looked for: there is no event for it.
constexpr auto acknowledgement_interval = std::chrono::milliseconds(10);

/// The system makes room for that much, where the buffer is smaller (tcp(7)).
constexpr std::size_t largest_low_water = 128 << 10;  // bytes

/// Tries the system call first and waits only on EAGAIN: most calls succeed at once.
class socket_connection final : public transport {
 public:
  socket_connection(const asio::any_io_executor& executor, unique_fd fd)
      : socket_(executor), changed_(executor), gone_(executor) {
    int domain = AF_UNIX;
    socklen_t length = sizeof domain;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &length);
    unix_ = domain == AF_UNIX;
    // splice(2) goes by this for its socket, whatever its flags say.
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
    socket_.assign(fd.release());
  }

  awaitable<io_result<std::size_t>> read_some(std::span<std::byte> into) override {
    for (;;) {
      if (closed_) co_return aborted();
      const auto n = ::recv(fd(), into.data(), into.size(), MSG_DONTWAIT);
      if (n >= 0) co_return static_cast<std::size_t>(n);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return from_errno();
      wake_at(1);
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

  int socket() noexcept override { return fd(); }

  awaitable<error_code> readable(std::size_t enough) override {
    if (closed_) co_return aborted();
    wake_at(static_cast<int>(std::clamp<std::size_t>(enough, 1, largest_low_water)));
    co_await wait(descriptor_base::wait_read);
    if (closed_) co_return aborted();
    co_return error_code{};
  }

  io_result<std::size_t> read_now(std::span<const iovec> into) noexcept override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(into.data());  // recvmsg(2) does not change it
    message.msg_iovlen = std::min<std::size_t>(into.size(), IOV_MAX);
    for (;;) {
      if (closed_) return aborted();
      const auto n = ::recvmsg(fd(), &message, MSG_DONTWAIT);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return from_errno();
    }
  }

  awaitable<peer_state> wait_hangup() override {
    // A Unix socket hangs up only when its peer is closed altogether. TCP cannot tell a peer that
    // was killed from one that has closed its sending side, until it answers.
    while (!closed_) {
      co_await gone_.wait(fd(), unix_ ? 0 : POLLRDHUP);
      const auto now = closed_ ? peer_state::connected : peer();
      if (now != peer_state::connected) co_return now;
    }
    co_return peer_state::connected;
  }

  peer_state peer() noexcept override {
    pollfd p{fd(), POLLRDHUP, 0};
    if (::poll(&p, 1, 0) != 1) return peer_state::connected;
    if (p.revents & (POLLHUP | POLLERR)) return peer_state::hung_up;
    return p.revents & POLLRDHUP ? peer_state::sends_no_more : peer_state::connected;
  }

  awaitable<bool> all_delivered(clock::time_point until) override {
    // On a Unix socket what the peer did not read made the last read fail.
    if (unix_) co_return !closed_;
    for (bool looked = false; !closed_ && (!looked || clock::now() < until); looked = true) {
      int unacknowledged = 0;
      pollfd p{fd(), 0, 0};
      if (::poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR))) co_return false;
      if (::ioctl(fd(), SIOCOUTQ, &unacknowledged) != 0) co_return false;
      if (unacknowledged == 0) co_return true;
      co_await changed_.wait(clock::now() + acknowledgement_interval);
    }
    co_return false;
  }

  std::size_t unread() noexcept override {
    int bytes = 0;
    return ::ioctl(fd(), FIONREAD, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
  }

  void close() noexcept override {
    closed_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
    gone_.cancel();
    changed_.notify_all();
  }

 private:
  [[nodiscard]] int fd() { return socket_.native_handle(); }
  [[nodiscard]] static error_code aborted() { return asio::error::operation_aborted; }
  /// Reading is announced from so many bytes on. A Unix socket has no such mark.
  void wake_at(int low_water) {
    if (unix_ || std::exchange(low_water_, low_water) == low_water) return;
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water);
  }
  awaitable<void> wait(descriptor_base::wait_type what) {
    co_await socket_.async_wait(what, asio::as_tuple(asio::use_awaitable));
  }

  asio::posix::stream_descriptor socket_;
  condition changed_;
  fd_waiter gone_;
  bool unix_ = true;
  int low_water_ = 1;  ///< bytes, of SO_RCVLOWAT
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<transport> socket_transport(const asio::any_io_executor& executor, unique_fd fd) {
  return std::make_unique<socket_connection>(executor, std::move(fd));
}

}  // namespace nbdstream::io
