// SPDX-License-Identifier: BSD-3-Clause
//
// What only TCP can do, or cannot.
#include "transport_fixture.hpp"

namespace nbdstream::test {
namespace {

awaitable<void> deliver(io::transport& t, io::clock::duration within, transport_outcome& o) {
  o.answer = co_await t.all_delivered(io::clock::now() + within);
  o.done = true;
}

awaitable<void> wait_for(io::transport& t, std::size_t enough, transport_outcome& o) {
  o.error = co_await t.readable(enough);
  o.count = t.unread();
  o.done = true;
}

void send_bytes(int fd, std::size_t count) {
  const std::string data(count, 'x');
  EXPECT_EQ(::send(fd, data.data(), count, MSG_NOSIGNAL), static_cast<ssize_t>(count));
}

TEST(SocketTransport, TcpWakesWhenEnoughBytesAreUnread) {
  loop l;
  auto [peer, ours] = make_tcp_pair();
  const int socket = ours.get();
  const auto t = io::socket_transport(l.executor(), std::move(ours));
  transport_outcome waiting;
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
  transport_outcome reading;
  l.spawn(read_into(*t, buffer, reading));
  l.poll();
  send_bytes(peer.get(), 1);
  l.finish();
  EXPECT_EQ(reading.count, 1u) << "what is read is told of from the first byte on";
}

TEST(SocketTransport, TcpWakesAtEofBeforeEnoughBytesCame) {
  loop l;
  auto [peer, ours] = make_tcp_pair();
  const auto t = io::socket_transport(l.executor(), std::move(ours));
  transport_outcome waiting;
  l.spawn(wait_for(*t, 1 << 30, waiting));
  send_bytes(peer.get(), 5);
  peer.reset();
  l.finish();
  EXPECT_FALSE(waiting.error);
  EXPECT_EQ(waiting.count, 5u);
}

TEST(SocketTransport, TcpSeesHalfCloseAndWhetherAllIsDelivered) {
  loop l;
  auto [peer, ours] = make_tcp_pair();
  const auto t = io::socket_transport(l.executor(), std::move(ours));

  transport_outcome watching;
  l.spawn(watch(*t, watching));
  l.poll();
  EXPECT_FALSE(watching.done);
  ::shutdown(peer.get(), SHUT_WR);
  l.finish();
  EXPECT_TRUE(watching.sending);
  EXPECT_FALSE(watching.answer);

  transport_outcome delivered;
  transport_outcome writing;
  l.spawn(write_from(*t, "x", writing));
  l.finish();
  l.spawn(deliver(*t, std::chrono::seconds(10), delivered));
  l.finish();
  EXPECT_TRUE(delivered.answer);

  // More than its buffers take never arrives while it does not read.
  const auto much = numbered(64 << 20);
  transport_outcome endless;
  l.spawn(write_from(*t, much, endless));
  l.poll();
  transport_outcome never;
  l.spawn(deliver(*t, std::chrono::milliseconds(50), never));
  EXPECT_TRUE(l.until([&] { return never.done; }));
  EXPECT_FALSE(never.answer);
  peer.reset();  // with data unread: a reset
  transport_outcome gone;
  l.spawn(deliver(*t, std::chrono::seconds(10), gone));
  l.finish();
  EXPECT_FALSE(gone.answer);
}

}  // namespace
}  // namespace nbdstream::test
