// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes, the end of the connection, and errors of both.
#include "tls_fixture.hpp"

#include <array>
#include <span>

namespace nbdstream::test {
namespace {

TEST_F(TlsTransport, BytesArePlainBeforeTheHandshake) {
  tls_outcome o;
  std::string got;
  l.spawn(tls_write(*server, "plain", o));
  l.finish();
  EXPECT_EQ(drain(peer.get()), "plain");
  EXPECT_GE(server->socket(), 0);
  const std::string more = "more";
  l.spawn(tls_write(*server, more, o));
  l.finish();
  EXPECT_EQ(drain(peer.get()), "more");
  ASSERT_EQ(::write(peer.get(), "back", 4), 4);
  EXPECT_EQ(server->unread(), 4u);
  std::array<std::byte, 2> two{};
  const iovec into{two.data(), two.size()};
  const auto count = server->read_now(std::span(&into, 1));
  ASSERT_FALSE(count.has_error()) << count.error().message();
  EXPECT_EQ(*count, 2u);
  peer.reset();
  l.spawn(tls_read_all(*server, got, o));
  l.finish();
  EXPECT_EQ(got, "ck");
}

TEST_F(TlsTransport, CarriesWritesOfAnyLengthBothWays) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    serve(certificates());
    tls_client client(peer.get(), {.least = version, .most = version});
    ASSERT_TRUE(shake(client)) << error.message();
    EXPECT_EQ(server->socket(), -1);
    std::string received;
    tls_outcome reading;
    l.spawn(tls_read_all(*server, received, reading));
    std::string sent;
    for (const std::size_t length : {1, 28, 16383, 16384, 16385, 65536, 1'000'000}) {
      const auto data = numbered(length);
      tls_outcome writing;
      l.spawn(tls_write(*server, data, writing));
      std::string got;
      std::size_t given = 0;
      EXPECT_TRUE(l.until([&] {
        given += client.write(std::string_view(data).substr(given));
        got += client.read();
        return writing.done && got.size() >= length && given == length;
      })) << length;
      EXPECT_TRUE(got == data) << length;
      sent += data;
    }
    EXPECT_TRUE(l.until([&] { return received.size() >= sent.size(); }));
    EXPECT_TRUE(received == sent);
    client.close_notify();
    l.finish();
    EXPECT_FALSE(reading.error);
  }
}

TEST_F(TlsTransport, Tls11IsRefused) {
  tls_client client(peer.get(), {.least = TLS1_1_VERSION, .most = TLS1_1_VERSION});
  expect_refusal(client, "unsupported protocol");
}

TEST_F(TlsTransport, HandshakeFailsOnBytesThatAreNotTls) {
  ASSERT_EQ(::write(peer.get(), "IHAVEOPT\0\0\0\3\0\0\0\0", 16), 16);
  tls_outcome o;
  l.spawn(tls_secure(*server, o));
  l.finish();
  EXPECT_TRUE(o.error);
}

TEST_F(TlsTransport, HandshakeFailsWhenThePeerVanishes) {
  for (const int steps : {0, 1}) {
    serve(certificates());
    tls_client client(peer.get(), {});
    for (int i = 0; i < steps; ++i) client.step();
    tls_outcome o;
    l.spawn(tls_secure(*server, o));
    l.poll();
    EXPECT_FALSE(o.done);
    peer.reset();
    l.finish();
    EXPECT_TRUE(o.error);
  }
}

TEST_F(TlsTransport, CloseAbortsTheHandshake) {
  tls_outcome o;
  l.spawn(tls_secure(*server, o));
  l.poll();
  EXPECT_FALSE(o.done);
  server->close();
  l.finish();
  EXPECT_EQ(o.error, asio::error::operation_aborted);
}

TEST_F(TlsTransport, CloseAbortsPendingReadsAndWritesAndLaterReads) {
  tls_client client(peer.get(), {});
  ASSERT_TRUE(shake(client));
  std::string got;
  tls_outcome reading;
  tls_outcome writing;
  tls_outcome waiting;
  l.spawn(tls_read_all(*server, got, reading));
  l.spawn(tls_write(*server, numbered(3'000'000), writing));
  l.spawn(tls_write(*server, "behind it", waiting));
  l.poll();
  EXPECT_FALSE(reading.done || writing.done || waiting.done);
  server->close();
  l.finish();
  for (const auto& o : {reading, writing, waiting}) {
    EXPECT_EQ(o.error, asio::error::operation_aborted);
  }
  tls_outcome late;
  l.spawn(tls_read_all(*server, got, late));
  l.finish();
  EXPECT_EQ(late.error, asio::error::operation_aborted);
}

TEST_F(TlsTransport, CloseSendsCloseNotify) {
  tls_client client(peer.get(), {});
  ASSERT_TRUE(shake(client));
  server->close();
  EXPECT_EQ(client.read(), "");
  EXPECT_TRUE(client.closed_by_peer());
}

TEST_F(TlsTransport, FinishSendsCloseNotifyAndWaitsForThePeersEof) {
  tls_client client(peer.get(), {});
  ASSERT_TRUE(shake(client));
  tls_outcome o;
  l.spawn(tls_finish(*server, o));
  l.poll();
  EXPECT_EQ(client.read(), "");
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_FALSE(o.done);
  client.close_notify();
  l.poll();
  EXPECT_FALSE(o.done);
  peer.reset();
  l.finish();
}

TEST_F(TlsTransport, EofWithoutCloseNotifyIsNoError) {
  tls_client client(peer.get(), {});
  ASSERT_TRUE(shake(client));
  ASSERT_EQ(client.write("data"), 4u);
  peer.reset();
  std::string got;
  tls_outcome o;
  l.spawn(tls_read_all(*server, got, o));
  l.finish();
  EXPECT_EQ(got, "data");
  EXPECT_FALSE(o.error);
}

TEST_F(TlsTransport, ForgedRecordFailsTheRead) {
  tls_client client(peer.get(), {});
  ASSERT_TRUE(shake(client));
  ASSERT_EQ(client.write("data"), 4u);
  const std::string forged(
      "\x17\x03\x03\x00\x20"
      "0123456789abcdef0123456789abcdef",
      37);
  ASSERT_EQ(::write(peer.get(), forged.data(), forged.size()), 37);
  std::string got;
  tls_outcome o;
  l.spawn(tls_read_all(*server, got, o));
  l.finish();
  EXPECT_EQ(got, "data");
  EXPECT_TRUE(o.error);
}

TEST_F(TlsTransport, UnreadBytesExcludeCloseNotify) {
  tls_client client(peer.get(), {});
  ASSERT_TRUE(shake(client));
  EXPECT_EQ(server->unread(), 0u);
  ASSERT_EQ(client.write(std::string(28, 'r')), 28u);
  EXPECT_GE(server->unread(), 28u);
  client.close_notify();
  std::string got;
  tls_outcome o;
  l.spawn(tls_read_all(*server, got, o));
  l.finish();
  EXPECT_EQ(server->unread(), 0u);
}

}  // namespace
}  // namespace nbdstream::test
