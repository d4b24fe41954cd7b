// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_UNIT_IO_LOOP_HPP
#define NBDSTREAM_TESTS_UNIT_IO_LOOP_HPP

#include "io/condition.hpp"
#include "io/unique_fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <csignal>
#include <string>

namespace nbdstream::test {

/// Lets `context` go on until `done()`; false at the deadline.
template <class Done>
[[nodiscard]] bool run_until(asio::io_context& context, Done done) {
  const auto end = io::clock::now() + std::chrono::seconds(20);
  while (!done() && io::clock::now() < end) {
    context.restart();
    context.run_one_for(std::chrono::milliseconds(5));
  }
  return done();
}

/// A loop whose every wait has a deadline.
class loop {
 public:
  loop() { ::signal(SIGPIPE, SIG_IGN); }

  [[nodiscard]] asio::any_io_executor executor() { return context_.get_executor(); }

  void spawn(awaitable<void> task) {
    ++running_;
    asio::co_spawn(context_, std::move(task), [this](std::exception_ptr failed) {
      EXPECT_FALSE(failed) << "an exception left a coroutine";
      --running_;
    });
  }
  /// Runs what is ready, without waiting.
  void poll() {
    context_.restart();
    context_.poll();
  }
  /// Until every task has ended.
  void finish() {
    const bool done = until([this] { return running_ == 0; });
    EXPECT_TRUE(done) << running_ << " tasks hang";
  }
  template <class Done>
  [[nodiscard]] bool until(Done done) {
    return run_until(context_, done);
  }
  [[nodiscard]] int running() const { return running_; }

 private:
  asio::io_context context_{1};
  int running_ = 0;
};

struct ends {
  io::unique_fd read, write;
};

inline ends make_pipe() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
  return {io::unique_fd(fds[0]), io::unique_fd(fds[1])};
}

inline ends make_socketpair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {io::unique_fd(fds[0]), io::unique_fd(fds[1])};
}

inline bool nonblocking(int fd) {
  return ::fcntl(fd, F_GETFL) & O_NONBLOCK;
}

/// All that can be read without waiting.
inline std::string drain(int fd) {
  std::string text(1 << 20, '\0');
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  const auto n = ::read(fd, text.data(), text.size());
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

inline std::string numbered(std::size_t length) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>(i * 31 + (i >> 8) * 7 + 1);
  return text;
}

}  // namespace nbdstream::test
#endif
