// SPDX-License-Identifier: BSD-3-Clause
//
// The transports over real sockets and pipes.
#include "io/transport.hpp"

#include <netinet/in.h>

#include "loop.hpp"

namespace nbdstream::test {
namespace {

struct outcome {
  bool done = false;
  error_code error;
  std::size_t count = 0;
  bool answer = false;   ///< has hung up altogether, or everything was delivered
  bool sending = false;  ///< has stopped sending
};

awaitable<void> read_into(io::transport& t, std::string& into, outcome& o) {
  const auto n = co_await t.read_some(std::as_writable_bytes(std::span(into)));
  if (n.has_error()) {
    o.error = n.error();
  } else {
    o.count = *n;
  }
  o.done = true;
}

awaitable<void> write_from(io::transport& t, std::string data, outcome& o) {
  o.error = co_await t.write(std::as_bytes(std::span(data)));
  o.done = true;
}

awaitable<void> watch(io::transport& t, outcome& o) {
  const auto absent = co_await t.hung_up();
  o.answer = absent == io::transport::absence::both;
  o.sending = absent == io::transport::absence::sending;
  o.done = true;
}

struct pair {
  explicit pair(loop& l) {
    auto s = make_socketpair();
    peer = std::move(s.read);
    ours = s.write.get();
    transport = io::socket_transport(l.executor(), std::move(s.write));
  }
  io::unique_fd peer;
  int ours = -1;
  std::unique_ptr<io::transport> transport;
};

TEST(SocketTransport, ReadsWhatThereIsAndThenTheEnd) {
  loop l;
  pair p(l);
  std::string buffer(100, '\0');
  outcome o;
  l.spawn(read_into(*p.transport, buffer, o));
  l.poll();
  EXPECT_FALSE(o.done);
  ASSERT_EQ(::write(p.peer.get(), "abc", 3), 3);
  l.finish();
  EXPECT_EQ(buffer.substr(0, o.count), "abc");
  p.peer.reset();
  outcome end;
  end.count = 99;
  l.spawn(read_into(*p.transport, buffer, end));
  l.finish();
  EXPECT_FALSE(end.error);
  EXPECT_EQ(end.count, 0u);
}

TEST(SocketTransport, WritesEverythingThroughBackpressure) {
  loop l;
  pair p(l);
  const auto data = numbered(3'000'000);
  outcome o;
  l.spawn(write_from(*p.transport, data, o));
  l.poll();
  EXPECT_FALSE(o.done);
  std::string got;
  EXPECT_TRUE(l.until([&] {
    got += drain(p.peer.get());
    return o.done && got.size() >= data.size();
  }));
  EXPECT_TRUE(got == data);
}

TEST(SocketTransport, TriesToWriteWithoutWaiting) {
  loop l;
  pair p(l);
  const auto data = numbered(3'000'000);
  const auto sent = p.transport->try_write(std::as_bytes(std::span(data)));
  EXPECT_GT(sent, 0u);
  EXPECT_LT(sent, data.size());
  EXPECT_EQ(p.transport->try_write(std::as_bytes(std::span(data))), 0u) << "it is full";
  p.peer.reset();
  EXPECT_EQ(p.transport->try_write(std::as_bytes(std::span(data))), 0u) << "errors are left";
}

TEST(SocketTransport, ClosingEndsAReadAndAWatchAndWhatComesAfter) {
  loop l;
  pair p(l);
  std::string buffer(100, '\0');
  outcome reading;
  outcome watching;
  l.spawn(read_into(*p.transport, buffer, reading));
  l.spawn(watch(*p.transport, watching));
  l.poll();
  EXPECT_FALSE(reading.done || watching.done);
  p.transport->close();
  l.finish();
  EXPECT_EQ(reading.error, asio::error::operation_aborted);
  EXPECT_FALSE(watching.answer);
  outcome late;
  l.spawn(write_from(*p.transport, "x", late));
  l.finish();
  EXPECT_EQ(late.error, asio::error::operation_aborted);
  EXPECT_EQ(p.transport->try_write(std::as_bytes(std::span("x", 1))), 0u);
}

TEST(SocketTransport, ClosingEndsAWrite) {
  loop l;
  pair p(l);
  outcome o;
  const auto data = numbered(3'000'000);
  l.spawn(write_from(*p.transport, data, o));
  l.poll();
  p.transport->close();
  l.finish();
  EXPECT_EQ(o.error, asio::error::operation_aborted);
}

TEST(SocketTransport, SeesAPeerHangUpBesideAReadThatWaits) {
  loop l;
  pair p(l);
  std::string buffer(100, '\0');
  outcome reading;
  outcome watching;
  l.spawn(watch(*p.transport, watching));
  l.poll();
  // Data, and an end of its sending alone, are no hang-up.
  ASSERT_EQ(::write(p.peer.get(), "abc", 3), 3);
  ::shutdown(p.peer.get(), SHUT_WR);
  l.spawn(read_into(*p.transport, buffer, reading));
  EXPECT_TRUE(l.until([&] { return reading.done; }));
  EXPECT_FALSE(watching.done);
  p.peer.reset();
  l.finish();
  EXPECT_TRUE(watching.answer);
}

TEST(SocketTransport, SeesThatAPeerHadHungUpBeforeItLooked) {
  loop l;
  pair p(l);
  p.peer.reset();
  outcome watching;
  l.spawn(watch(*p.transport, watching));
  l.finish();
  EXPECT_TRUE(watching.answer);
}

awaitable<void> deliver(io::transport& t, io::clock::duration within, outcome& o) {
  o.answer = co_await t.all_delivered(io::clock::now() + within);
  o.done = true;
}

/// The first end is the client's.
ends make_tcp_pair() {
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof any;
  auto* const address = reinterpret_cast<sockaddr*>(&any);
  const io::unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(listener.get(), address, sizeof any), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), address, &size), 0);
  io::unique_fd peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(peer.get(), address, sizeof any), 0);
  return {std::move(peer), io::unique_fd(::accept(listener.get(), nullptr, nullptr))};
}

awaitable<void> wait_for(io::transport& t, std::size_t enough, outcome& o) {
  o.error = co_await t.readable(enough);
  o.count = t.unread();
  o.done = true;
}

void send_bytes(int fd, std::size_t count) {
  const std::string data(count, 'x');
  EXPECT_EQ(::send(fd, data.data(), count, MSG_NOSIGNAL), static_cast<ssize_t>(count));
}

TEST(SocketTransport, OverTcpTellsOnlyWhenThereIsEnough) {
  loop l;
  auto [peer, ours] = make_tcp_pair();
  const int socket = ours.get();
  const auto t = io::socket_transport(l.executor(), std::move(ours));
  outcome waiting;
  l.spawn(wait_for(*t, 10'000, waiting));
  l.poll();
  send_bytes(peer.get(), 9'999);
  EXPECT_TRUE(l.until([&] { return t->unread() == 9'999; }));
  l.poll();
  EXPECT_FALSE(waiting.done);
  send_bytes(peer.get(), 1);
  l.finish();
  EXPECT_EQ(waiting.count, 10'000u);

  std::string buffer(10'000, '\0');
  EXPECT_EQ(::recv(socket, buffer.data(), buffer.size(), MSG_WAITALL), 10'000);
  outcome reading;
  l.spawn(read_into(*t, buffer, reading));
  l.poll();
  send_bytes(peer.get(), 1);
  l.finish();
  EXPECT_EQ(reading.count, 1u) << "what is read is told of from the first byte on";
}

TEST(SocketTransport, OverTcpTellsOfTheEndWhateverThereIs) {
  loop l;
  auto [peer, ours] = make_tcp_pair();
  const auto t = io::socket_transport(l.executor(), std::move(ours));
  outcome waiting;
  l.spawn(wait_for(*t, 1 << 30, waiting));
  send_bytes(peer.get(), 5);
  peer.reset();
  l.finish();
  EXPECT_FALSE(waiting.error);
  EXPECT_EQ(waiting.count, 5u);
}

TEST(SocketTransport, OverTcpSeesThatAPeerStoppedSendingAndWhetherItGotEverything) {
  loop l;
  auto [peer, ours] = make_tcp_pair();
  const auto t = io::socket_transport(l.executor(), std::move(ours));

  outcome watching;
  l.spawn(watch(*t, watching));
  l.poll();
  EXPECT_FALSE(watching.done);
  ::shutdown(peer.get(), SHUT_WR);
  l.finish();
  EXPECT_TRUE(watching.sending);
  EXPECT_FALSE(watching.answer);

  outcome delivered;
  EXPECT_EQ(t->try_write(std::as_bytes(std::span("x", 1))), 1u);
  l.spawn(deliver(*t, std::chrono::seconds(10), delivered));
  l.finish();
  EXPECT_TRUE(delivered.answer);

  // More than its buffers take never arrives while it does not read.
  const auto much = numbered(64 << 20);
  EXPECT_GT(t->try_write(std::as_bytes(std::span(much))), 0u);
  outcome never;
  l.spawn(deliver(*t, std::chrono::milliseconds(50), never));
  l.finish();
  EXPECT_FALSE(never.answer);
  peer.reset();  // with data unread: a reset
  outcome gone;
  l.spawn(deliver(*t, std::chrono::seconds(10), gone));
  l.finish();
  EXPECT_FALSE(gone.answer);
}

TEST(SocketTransport, AWriteToAPeerThatIsGoneIsAnErrorAndNoSignal) {
  loop l;
  pair p(l);
  p.peer.reset();
  outcome o;
  l.spawn(write_from(*p.transport, "x", o));
  l.finish();
  EXPECT_EQ(o.error.value(), EPIPE);
}

TEST(StdioTransport, MovesBytesThroughPipesAndLeavesTheirFlagsAlone) {
  loop l;
  auto in = make_pipe();
  auto out = make_pipe();
  const int in_fd = in.read.get();
  const int out_fd = out.write.get();
  const auto t = io::stdio_transport(l.executor(), std::move(in.read), std::move(out.write));
  std::string buffer(100, '\0');
  outcome reading;
  l.spawn(read_into(*t, buffer, reading));
  l.poll();
  EXPECT_FALSE(reading.done);
  ASSERT_EQ(::write(in.write.get(), "abc", 3), 3);
  l.finish();
  EXPECT_EQ(buffer.substr(0, reading.count), "abc");

  const auto data = numbered(500'000);
  outcome writing;
  l.spawn(write_from(*t, data, writing));
  l.poll();
  EXPECT_FALSE(writing.done);
  EXPECT_FALSE(nonblocking(in_fd) || nonblocking(out_fd));
  std::string got;
  EXPECT_TRUE(l.until([&] {
    got += drain(out.read.get());
    return writing.done && got.size() >= data.size();
  }));
  EXPECT_TRUE(got == data);
  in.write.reset();
  outcome end;
  l.spawn(read_into(*t, buffer, end));
  l.finish();
  EXPECT_EQ(end.count, 0u);
}

TEST(StdioTransport, ClosingEndsWhatIsUnderWay) {
  loop l;
  auto in = make_pipe();
  auto out = make_pipe();
  const auto t = io::stdio_transport(l.executor(), std::move(in.read), std::move(out.write));
  std::string buffer(100, '\0');
  const auto data = numbered(500'000);
  outcome reading;
  outcome writing;
  l.spawn(read_into(*t, buffer, reading));
  l.spawn(write_from(*t, data, writing));
  l.poll();
  t->close();
  l.finish();
  EXPECT_EQ(reading.error, asio::error::operation_aborted);
  EXPECT_EQ(writing.error, asio::error::operation_aborted);
}

}  // namespace
}  // namespace nbdstream::test
