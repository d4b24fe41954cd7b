// SPDX-License-Identifier: BSD-3-Clause
//
// A connection in memory, whose Nth call fails as it is told. Where it is asked to, what the client
// sends comes through a socket of the system, from which the server may splice.
#ifndef NBDSTREAM_TESTS_SUPPORT_FAKE_TRANSPORT_HPP
#define NBDSTREAM_TESTS_SUPPORT_FAKE_TRANSPORT_HPP

#include "io/condition.hpp"
#include "io/transport.hpp"
#include "support/fed_socket.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace nbdstream::test {

enum class fault { reset, end, one_byte, cancel };

/// What a client sends and gets; outlives its fake_transport.
struct connection_tape {
  explicit connection_tape(const asio::any_io_executor& executor) : changed(executor) {}

  std::string to_server;
  std::vector<std::size_t> splits;  ///< rising positions at which a read ends
  bool stays = false;               ///< does not end the stream behind to_server
  bool reads = true;                ///< else no answer is ever taken
  bool has_socket = false;          ///< the server may splice from it
  /// readable() waits for as much as it asks for, as on TCP; else for anything.
  bool low_water = false;
  std::optional<std::size_t> fail_at;
  fault fail_how = fault::reset;

  std::string from_server;
  std::size_t keeps = std::string::npos;  ///< of from_server; what exceeds it is only taken
  std::size_t calls = 0;
  std::size_t sent = 0;            ///< of to_server
  bool failed = false;             ///< the fault has happened
  bool failed_harmlessly = false;  ///< it was a short read
  bool closed = false;             ///< by the server
  bool hung_up = false;            ///< by the client
  bool killed = false;             ///< the client went away without what it was sent last
  std::size_t most_offered = 0;    ///< the longest write
  io::condition changed;

  void send(std::string_view more) {
    to_server += more;
    changed.notify_all();
  }
  void hang_up() {
    stays = false;
    hung_up = true;
    changed.notify_all();
  }
};

class fake_transport final : public io::transport {
 public:
  explicit fake_transport(connection_tape& tape) : tape_(tape) {
    if (tape.has_socket) socket_.emplace();
  }

  awaitable<io_result<std::size_t>> read_some(std::span<std::byte> into) override {
    EXPECT_FALSE(into.empty());
    co_await something_to_read(1);
    if (tape_.closed) co_return aborted();
    if (fails()) {
      if (tape_.fail_how == fault::reset) co_return from_errno(ECONNRESET);
      if (tape_.fail_how == fault::end) co_return std::size_t{0};
      if (tape_.fail_how == fault::cancel) {
        close();
        co_return aborted();
      }
      tape_.failed_harmlessly = true;
      into = into.first(1);
    }
    if (broken()) co_return from_errno(ECONNRESET);
    const auto limit = next_split();
    if (socket_) {
      feed_to(limit);
      into = into.first(socket_->read(into));
      take_stock();
    } else {
      into = into.first(std::min(into.size(), limit - tape_.sent));
      std::memcpy(into.data(), tape_.to_server.data() + tape_.sent, into.size());
      tape_.sent += into.size();
    }
    co_return into.size();
  }

  int socket() noexcept override { return socket_ ? socket_->descriptor() : -1; }

  awaitable<error_code> readable(std::size_t enough) override {
    EXPECT_GT(enough, 0u);
    EXPECT_TRUE(socket_.has_value()) << "there is no socket to wait for";
    constexpr std::size_t largest_low_water = 128 << 10;
    co_await something_to_read(tape_.low_water ? std::min(enough, largest_low_water) : 1);
    if (tape_.closed) co_return aborted();
    const bool now = fails();
    if (now && tape_.fail_how == fault::cancel) {
      close();
      co_return aborted();
    }
    if (now && tape_.fail_how == fault::one_byte) {
      tape_.failed_harmlessly = true;
      feed_to(tape_.sent + 1);
    } else if (broken()) {
      tape_.fail_how == fault::end ? socket_->end() : socket_->reset();
    } else {
      feed_to(tape_.low_water ? tape_.to_server.size() : next_split());
    }
    co_return error_code{};
  }

  io_result<std::size_t> read_now(std::span<const iovec> into) noexcept override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(into.data());
    message.msg_iovlen = into.size();
    const auto count = ::recvmsg(socket(), &message, MSG_DONTWAIT);
    if (count < 0) return from_errno();
    take_stock();
    return static_cast<std::size_t>(count);
  }

  awaitable<error_code> write(std::span<const std::byte> data) override {
    if (data.empty()) co_return error_code{};  // as a real one, whatever has become of the peer
    take_stock();
    EXPECT_FALSE(writing_) << "two writes at a time";
    writing_ = true;
    tape_.most_offered = std::max(tape_.most_offered, data.size());
    co_await asio::post(asio::use_awaitable);
    while (!tape_.reads && !tape_.closed && !tape_.hung_up) co_await tape_.changed.wait();
    writing_ = false;
    if (tape_.closed) co_return aborted();
    if (tape_.hung_up) co_return from_errno(EPIPE);
    if (fails()) {
      if (tape_.fail_how == fault::cancel) {
        close();
        co_return aborted();
      }
      if (tape_.fail_how == fault::one_byte && !data.empty()) take(data.first(1));
      tape_.fail_how = fault::reset;
      co_return from_errno(ECONNRESET);
    }
    if (broken()) co_return from_errno(EPIPE);
    take(data);
    co_return error_code{};
  }

  awaitable<peer_state> wait_hangup() override {
    while (!tape_.closed && !tape_.hung_up) co_await tape_.changed.wait();
    co_return tape_.closed ? peer_state::connected : peer();
  }
  peer_state peer() noexcept override {
    return tape_.hung_up ? peer_state::hung_up : peer_state::connected;
  }

  awaitable<bool> all_delivered(io::clock::time_point) override {
    co_return !tape_.closed && !tape_.killed;
  }

  std::size_t unread() noexcept override {
    take_stock();
    return tape_.to_server.size() - tape_.sent;
  }

  void close() noexcept override {
    take_stock();
    tape_.closed = true;
    tape_.changed.notify_all();
  }

 private:
  [[nodiscard]] static error_code aborted() { return asio::error::operation_aborted; }
  /// Until so many bytes are there, or the end; not at once, so that everything else goes on
  /// between two calls, as it does in life.
  awaitable<void> something_to_read(std::size_t count) {
    EXPECT_FALSE(reading_) << "two reads at a time";
    reading_ = true;
    co_await asio::post(asio::use_awaitable);
    while (!tape_.closed && unread() < count && tape_.stays) co_await tape_.changed.wait();
    reading_ = false;
  }
  /// How far the next read goes at most, in what the client sends.
  [[nodiscard]] std::size_t next_split() const {
    const auto split = std::ranges::upper_bound(tape_.splits, tape_.sent);
    const auto all = tape_.to_server.size();
    return split == tape_.splits.end() ? all : std::min(all, *split);
  }
  /// Puts what the client sends into the socket, up to `limit`, and its end behind all of it.
  void feed_to(std::size_t limit) {
    const std::string_view all = tape_.to_server;
    if (limit > fed_) fed_ += socket_->feed(all.substr(fed_, limit - fed_));
    if (fed_ == all.size() && !tape_.stays) socket_->end();
  }
  /// What was spliced has left the socket without a word.
  void take_stock() noexcept {
    if (socket_) tape_.sent = fed_ - socket_->unread();
  }
  void take(std::span<const std::byte> data) {
    const auto kept =
        std::min(data.size(), tape_.keeps - std::min(tape_.keeps, tape_.from_server.size()));
    tape_.from_server.append(reinterpret_cast<const char*>(data.data()), kept);
  }
  /// Whether it is this call that fails.
  bool fails() noexcept {
    const bool now = tape_.fail_at == tape_.calls++;
    tape_.failed = tape_.failed || now;
    return now;
  }
  /// After such a failure nothing works any more.
  [[nodiscard]] bool broken() const noexcept {
    return tape_.failed && (tape_.fail_how == fault::reset || tape_.fail_how == fault::end);
  }

  connection_tape& tape_;
  std::optional<fed_socket> socket_;
  std::size_t fed_ = 0;  ///< of to_server, into the socket
  bool reading_ = false;
  bool writing_ = false;
};

}  // namespace nbdstream::test
#endif
