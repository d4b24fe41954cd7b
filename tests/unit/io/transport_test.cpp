// SPDX-License-Identifier: BSD-3-Clause
//
// The transports over real sockets and pipes.
#include "transport_fixture.hpp"

namespace nbdstream::test {
namespace {

TEST(SocketTransport, ReadsAvailableBytesAndThenEof) {
  loop l;
  pair p(l);
  std::string buffer(100, '\0');
  transport_outcome o;
  l.spawn(read_into(*p.transport, buffer, o));
  l.poll();
  EXPECT_FALSE(o.done);
  ASSERT_EQ(::write(p.peer.get(), "abc", 3), 3);
  l.finish();
  EXPECT_EQ(buffer.substr(0, o.count), "abc");
  p.peer.reset();
  transport_outcome end;
  end.count = 99;
  l.spawn(read_into(*p.transport, buffer, end));
  l.finish();
  EXPECT_FALSE(end.error);
  EXPECT_EQ(end.count, 0u);
}

TEST(SocketTransport, WritesAllBytesUnderBackpressure) {
  loop l;
  pair p(l);
  const auto data = numbered(3'000'000);
  transport_outcome o;
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

TEST(SocketTransport, CloseAbortsReadWatchAndLaterWrites) {
  loop l;
  pair p(l);
  std::string buffer(100, '\0');
  transport_outcome reading;
  transport_outcome watching;
  l.spawn(read_into(*p.transport, buffer, reading));
  l.spawn(watch(*p.transport, watching));
  l.poll();
  EXPECT_FALSE(reading.done || watching.done);
  p.transport->close();
  l.finish();
  EXPECT_EQ(reading.error, asio::error::operation_aborted);
  EXPECT_FALSE(watching.answer);
  transport_outcome late;
  l.spawn(write_from(*p.transport, "x", late));
  l.finish();
  EXPECT_EQ(late.error, asio::error::operation_aborted);
}

TEST(SocketTransport, CloseAbortsAWrite) {
  loop l;
  pair p(l);
  transport_outcome o;
  const auto data = numbered(3'000'000);
  l.spawn(write_from(*p.transport, data, o));
  l.poll();
  p.transport->close();
  l.finish();
  EXPECT_EQ(o.error, asio::error::operation_aborted);
}

TEST(SocketTransport, HangUpIsSeenAndHalfCloseIsNoHangUp) {
  loop l;
  pair p(l);
  std::string buffer(100, '\0');
  transport_outcome reading;
  transport_outcome watching;
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

TEST(SocketTransport, EarlierHangUpIsSeen) {
  loop l;
  pair p(l);
  p.peer.reset();
  transport_outcome watching;
  l.spawn(watch(*p.transport, watching));
  l.finish();
  EXPECT_TRUE(watching.answer);
}

TEST(SocketTransport, WriteToALostPeerGivesEpipeAndNoSignal) {
  loop l;
  pair p(l);
  p.peer.reset();
  transport_outcome o;
  l.spawn(write_from(*p.transport, "x", o));
  l.finish();
  EXPECT_EQ(o.error.value(), EPIPE);
}

TEST(StdioTransport, MovesBytesThroughPipesAndKeepsTheirFlags) {
  loop l;
  auto in = make_pipe();
  auto out = make_pipe();
  const int in_fd = in.read.get();
  const int out_fd = out.write.get();
  const auto t = io::stdio_transport(l.executor(), std::move(in.read), std::move(out.write));
  std::string buffer(100, '\0');
  transport_outcome reading;
  l.spawn(read_into(*t, buffer, reading));
  l.poll();
  EXPECT_FALSE(reading.done);
  ASSERT_EQ(::write(in.write.get(), "abc", 3), 3);
  l.finish();
  EXPECT_EQ(buffer.substr(0, reading.count), "abc");

  const auto data = numbered(500'000);
  transport_outcome writing;
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
  transport_outcome end;
  l.spawn(read_into(*t, buffer, end));
  l.finish();
  EXPECT_EQ(end.count, 0u);
}

TEST(StdioTransport, CloseAbortsReadAndWrite) {
  loop l;
  auto in = make_pipe();
  auto out = make_pipe();
  const auto t = io::stdio_transport(l.executor(), std::move(in.read), std::move(out.write));
  std::string buffer(100, '\0');
  const auto data = numbered(500'000);
  transport_outcome reading;
  transport_outcome writing;
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
