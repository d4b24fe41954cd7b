// SPDX-License-Identifier: BSD-3-Clause
#include "streaming.hpp"

#include "allocations.hpp"
#include "sink/module_sink.hpp"
#include "support/deadline.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <array>
#include <csignal>
#include <stdexcept>

namespace nbdstream::test {
namespace {

constexpr std::size_t answer_size = 16;  // bytes

struct ends {
  file_descriptor first, second;
};

ends make_pipe(int size) {
  std::array<int, 2> fds{};
  checked(::pipe2(fds.data(), O_CLOEXEC), "pipe2");
  ends made{file_descriptor(fds[0]), file_descriptor(fds[1])};
  if (size > 0) checked(::fcntl(fds[1], F_SETPIPE_SZ, size), "F_SETPIPE_SZ");
  return made;
}

ends make_socketpair() {
  std::array<int, 2> fds{};
  checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), "socketpair");
  return {file_descriptor(fds[0]), file_descriptor(fds[1])};
}

}  // namespace

streaming_client::streaming_client(file_descriptor socket) : socket_(std::move(socket)) {
  const timeval wait{std::chrono::duration_cast<std::chrono::seconds>(patience).count(), 0};
  for (const int which : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    checked(::setsockopt(socket_.get(), SOL_SOCKET, which, &wait, sizeof wait), "setsockopt");
  }
}

void streaming_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    bytes.remove_prefix(static_cast<std::size_t>(checked(n, "send")));
  }
}

void streaming_client::shake_hands() {
  scripted_client script;
  send(script.flags().go().flush().script());
  std::string heard;
  while (script.parse(heard).answers.empty()) {
    std::array<char, 4096> some{};
    const auto n = checked(::recv(socket_.get(), some.data(), some.size(), 0), "recv");
    if (n == 0) throw std::runtime_error("hung up in the handshake");
    heard.append(some.data(), static_cast<std::size_t>(n));
  }
}

void streaming_client::take_answers(std::size_t count) {
  std::array<char, answer_size> answer{};
  for (std::size_t i = 0; i < count; ++i) {
    const auto n = ::recv(socket_.get(), answer.data(), answer.size(), MSG_WAITALL);
    if (checked(n, "recv") != static_cast<ssize_t>(answer_size)) {
      throw std::runtime_error("hung up on a request");
    }
    if (from_big_endian({answer.data() + 4, 4}, 4) != 0) throw std::runtime_error("an error");
  }
}

void streaming_client::write(std::uint64_t offset, std::string_view payload) {
  send(request_message(0, scripted_client::write_command, 1, offset,
                       static_cast<std::uint32_t>(payload.size())));
  send(payload);
}

void streaming_client::write_zeroes(std::uint64_t offset, std::uint32_t length) {
  send(request_message(0, scripted_client::zeroes_command, 1, offset, length));
}

void streaming_client::wait_until_read() const {
  const bool read = eventually([&] {
    int bytes = 0;
    checked(::ioctl(socket_.get(), SIOCOUTQ, &bytes), "SIOCOUTQ");
    return bytes == 0;
  });
  if (!read) throw std::runtime_error("the server does not read");
}

draining::draining(file_descriptor pipe) : pipe_(std::move(pipe)) {
  thread_ = std::thread([this] {
    std::vector<char> buffer(std::size_t{1} << 20);
    for (;;) {
      const auto n = ::read(pipe_.get(), buffer.data(), buffer.size());
      if (n <= 0) return;
      taken_ += static_cast<std::uint64_t>(n);
    }
  });
}

draining::~draining() {
  thread_.join();
}

void draining::wait_until_taken(std::uint64_t bytes) const {
  const bool taken = eventually([&] { return taken_ >= bytes; });
  if (!taken) throw std::runtime_error("the stream does not come");
}

streaming::streaming(streaming_settings s) {
  ::signal(SIGPIPE, SIG_IGN);
  auto pipe = make_pipe(s.pipe_size);
  reader_ = std::make_unique<draining>(std::move(pipe.first));
  pipe_ = std::move(pipe.second);
  exported_ = std::make_unique<nbd_export>(loop_.get_executor(), std::move(s.exported),
                                           make_sink(s.copy_only), log_, changed_);
  infos_.push_back(exported_->info());
  spawn(exported_->run());
  const auto on = loop_.get_executor();
  for (std::size_t i = 0; i < s.clients; ++i) {
    auto socket = make_socketpair();
    clients_.emplace_back(std::move(socket.first));
    auto connection = io::socket_transport(on, io::unique_fd(::dup(socket.second.get())));
    session_host& host = *this;
    spawn(sessions_.emplace_back(on, session::settings{}, std::move(connection), host, log_).run());
  }
  thread_ = std::thread([this] {
    count_allocations_of_this_thread();
    loop_.run();
  });
  for (auto& c : clients_) c.shake_hands();
}

streaming::~streaming() {
  asio::post(loop_, [this] {
    for (auto& s : sessions_) s.close();
    exported_->stop("the test is over");
  });
  thread_.join();
  exported_.reset();
  pipe_.reset();  // the end, for the reader
}

std::unique_ptr<sink::sink> streaming::make_sink(bool copy_only) {
  auto module = fake_module(script_);
  script_.fd = pipe_.get();
  module.table.native_fd = fake_module_calls::native_fd;
  sink::settings none("fake", {}, {});
  return std::make_unique<sink::module_sink>(loop_.get_executor(), std::move(module),
                                             std::move(none), patience, log_, copy_only);
}

void streaming::spawn(awaitable<void> task) {
  asio::co_spawn(loop_, std::move(task), [](std::exception_ptr failed) {
    if (failed) ADD_FAILURE() << "an exception left a coroutine";
  });
}

}  // namespace nbdstream::test
