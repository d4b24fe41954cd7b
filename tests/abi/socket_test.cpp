// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `socket` over TCP, and its addresses.
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "before_getpeername.hpp"
#include "host.hpp"
#include "listener.hpp"
#include "surroundings.hpp"

namespace sink_tests {
namespace {

struct TcpSink : ::testing::Test {
  const listener server = listener::on_loopback(AF_INET);
  sink client{in_tree_sink("socket"), {{"address", "tcp://127.0.0.1:" + server.port()}}};

  descriptor connect() {
    EXPECT_EQ(client.open_patiently(), 0) << client.explanation();
    return server.accept();
  }
};

bool has_ipv6() {
  const descriptor probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_addr = in6addr_loopback;
  return probe && ::bind(probe.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0;
}

void expect_refused(const std::string& address, const std::string& word) {
  const sink refused(in_tree_sink("socket"), {{"address", address}});
  EXPECT_EQ(refused.created, -EINVAL) << address;
  EXPECT_NE(refused.explanation().find(word), std::string::npos) << refused.explanation();
  EXPECT_NE(refused.explanation().find("'" + address + "'"), std::string::npos);
  EXPECT_EQ(refused.explanation().find('\n'), std::string::npos);
}

TEST(SocketAddress, MalformedAddressIsRefusedInOneLine) {
  expect_refused("", "empty");
  expect_refused("tcp://", "lacks the host");
  expect_refused("tcp://:9000", "lacks the host");
  expect_refused("tcp://backup.example", "lacks the port");
  expect_refused("tcp://backup.example:", "lacks the port");
  expect_refused("tcp://backup.example:0", "between 1 and 65535");
  expect_refused("tcp://backup.example:65536", "between 1 and 65535");
  expect_refused("tcp://backup.example:nbd", "between 1 and 65535");
  expect_refused("tcp://backup.example:9000/", "between 1 and 65535");
  expect_refused("tcp://::1:9000", "brackets");
  expect_refused("tcp://[::1:9000", "closing ']'");
  expect_refused("tcp://[::1]", "lacks the port");
  expect_refused("tcp://[::1]9000", "lacks the port");
  expect_refused("tcp:backup.example:9000", "lacks '//'");
  expect_refused("unix:/run/x", "lacks '//'");
  expect_refused("unix://run/x", "absolute");
  expect_refused("vsock://2:9000", "unknown scheme");
  expect_refused("backup.example:9000", "tcp://");
}

TEST(SocketAddress, TooLongUnixPathIsRefused) {
  const sink refused(in_tree_sink("socket"), {{"address", "/" + std::string(200, 'x')}});
  EXPECT_EQ(refused.created, -ENAMETOOLONG);
}

TEST(SocketAddress, MissingUnixSocketFailsOpenButNotCreate) {
  sink client(in_tree_sink("socket"), {{"address", "/nonexistent/socket"}});
  EXPECT_EQ(client.created, 0);
  EXPECT_EQ(client.open(), -ENOENT);
  EXPECT_NE(client.explanation().find("no such socket"), std::string::npos);
}

TEST(SocketAddress, Ipv6LiteralWorks) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  const listener server = listener::on_loopback(AF_INET6);
  sink client(in_tree_sink("socket"), {{"address", "tcp://[::1]:" + server.port()}});
  EXPECT_EQ(client.stream("six"), 0) << client.explanation();
  EXPECT_EQ(read_from(server.accept().get()), "six");
}

// If the name has an IPv6 address too, that is tried first, and no process listens there.
TEST(SocketAddress, EachAddressOfHostNameIsTried) {
  const listener server = listener::on_loopback(AF_INET);
  sink client(in_tree_sink("socket"), {{"address", "tcp://localhost:" + server.port()}});
  // A minimal system has no /etc/hosts, and then even this name is unknown.
  addrinfo* known = nullptr;
  if (::getaddrinfo("localhost", nullptr, nullptr, &known) != 0) {
    EXPECT_EQ(client.open_patiently(), -EHOSTUNREACH);
    return;
  }
  ::freeaddrinfo(known);
  ASSERT_EQ(client.open_patiently(), 0) << client.explanation();
  EXPECT_TRUE(server.accept());
}

TEST(SocketAddress, UnknownHostNameFailsOpen) {
  // The name is too long for a label of the domain name system, so no server is asked.
  const std::string name(64, 'x');
  sink client(in_tree_sink("socket"), {{"address", "tcp://" + name + ":9000"}});
  ASSERT_EQ(client.created, 0);
  EXPECT_EQ(client.open_patiently(), -EHOSTUNREACH);
  EXPECT_NE(client.explanation().find(name), std::string::npos);
}

TEST_F(TcpSink, OnlyOpenMayBlock) {
  EXPECT_EQ(client.table().blocking, uint32_t{NBDSTREAM_BLOCKING_OPEN});
}

TEST_F(TcpSink, CommitSendsFin) {
  const std::string data = pattern(100'000);
  const descriptor peer = connect();
  ASSERT_EQ(client.send(data), 0);
  ASSERT_EQ(client.commit_patiently(data.size()), 0) << client.explanation();
  EXPECT_TRUE(read_from(peer.get()) == data);
  EXPECT_EQ(next_from(peer.get()), 0);
}

TEST_F(TcpSink, AbortSendsReset) {
  const descriptor peer = connect();
  ASSERT_EQ(client.send("torn"), 0);
  EXPECT_EQ(read_from(peer.get(), 4), "torn");
  EXPECT_EQ(client.abort(), 0);
  EXPECT_EQ(next_from(peer.get()), -ECONNRESET);
}

TEST_F(TcpSink, AbortSendsResetWhileCommitWaitsForSlowPeer) {
  const descriptor peer = connect();
  const int small = 4096;
  (void)::setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  const std::string chunk = pattern(65536);
  while (::send(client.fd(), chunk.data(), chunk.size(), MSG_DONTWAIT) > 0) continue;
  ASSERT_EQ(client.commit(), -EAGAIN);
  EXPECT_EQ(client.abort(), 0);
  int last = 1;
  while (last > 0) last = next_from(peer.get());
  EXPECT_EQ(last, -ECONNRESET) << "and not an end of file";
}

TEST_F(TcpSink, CommitSendsNoResetThoughPeerHasSentData) {
  const descriptor peer = connect();
  ASSERT_EQ(::send(peer.get(), "welcome", 7, MSG_NOSIGNAL), 7);
  ASSERT_EQ(client.send("data"), 0);
  EXPECT_EQ(client.commit_patiently(4), 0);
  EXPECT_EQ(next_from(peer.get()), 4);
  EXPECT_EQ(next_from(peer.get()), 0);
  EXPECT_EQ(::send(peer.get(), "goodbye", 7, MSG_NOSIGNAL), 7) << "no reset came";
}

TEST_F(TcpSink, CommitFailsWhenPeerClosesWithBytesUnread) {
  descriptor peer = connect();
  ASSERT_EQ(client.send("0123456789"), 0);
  ASSERT_EQ(read_from(peer.get(), 5), "01234");
  peer.reset();
  EXPECT_EQ(client.commit_patiently(10), -ECONNRESET);
  EXPECT_NE(client.explanation().find("peer"), std::string::npos);
  EXPECT_EQ(client.abort(), 0);
}

// The peer's system need not acknowledge a FIN at once, but its own FIN does.
TEST_F(TcpSink, CommitSucceedsWhenPeerClosesBeforeGetpeername) {
  descriptor peer = connect();
  ASSERT_EQ(client.send("all"), 0);
  ASSERT_EQ(read_from(peer.get(), 3), "all");
  bool asked = false;
  before_getpeername = [&] {
    asked = true;
    EXPECT_EQ(next_from(peer.get()), 0);
    peer.reset();
  };
  EXPECT_EQ(client.commit_patiently(3), 0) << client.explanation();
  EXPECT_TRUE(asked) << "this must be tried in another way";
}

TEST_F(TcpSink, CommitFailsWhenPeerResetsBeforeGetpeername) {
  descriptor peer = connect();
  ASSERT_EQ(client.send("all"), 0);
  ASSERT_EQ(read_from(peer.get(), 3), "all");
  bool asked = false;
  before_getpeername = [&] {
    asked = true;
    const linger at_once{1, 0};
    EXPECT_EQ(::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    peer.reset();
  };
  EXPECT_LT(client.commit_patiently(3), 0);
  EXPECT_TRUE(asked) << "this must be tried in another way";
  EXPECT_EQ(client.abort(), 0);
}

TEST_F(TcpSink, KeepaliveIsOn) {
  const descriptor peer = connect();
  int on = 0;
  socklen_t size = sizeof on;
  ASSERT_EQ(::getsockopt(client.fd(), SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
  EXPECT_EQ(on, 1);
}

TEST(TcpStream, IsResetWhenSinkProcessEndsEarly) {
  const listener server = listener::on_loopback(AF_INET);
  const std::string address = "tcp://127.0.0.1:" + server.port();
  process dies([&]() -> int {
    sink client(in_tree_sink("socket"), {{"address", address}});
    const bool sent = client.open_patiently() == 0 && client.send("half") == 0;
    ::_exit(sent ? 0 : 1);
  });
  const descriptor peer = server.accept();
  EXPECT_EQ(dies.wait(), 0);
  EXPECT_EQ(next_from(peer.get()), 4);
  EXPECT_EQ(next_from(peer.get()), -ECONNRESET);
}

TEST(TcpStream, IsResetWhenSinkProcessEndsWhileConnecting) {
  const listener server = listener::on_loopback(AF_INET);
  const std::string address = "tcp://127.0.0.1:" + server.port();
  process dies([&]() -> int {
    sink client(in_tree_sink("socket"), {{"address", address}});
    (void)client.open();
    ::_exit(0);
  });
  const descriptor peer = server.accept();
  EXPECT_EQ(dies.wait(), 0);
  EXPECT_EQ(next_from(peer.get()), -ECONNRESET);
}

/// Reads streams of `length` bytes and closes each connection at once: by turns after the last byte
/// and after the end of file.
int take_and_leave(const listener& server, int streams, size_t length) {
  for (int number = 0; number < streams; ++number) {
    const descriptor peer = server.accept();
    const size_t limit = number % 2 == 0 ? length : length + 1;
    if (read_from(peer.get(), limit).size() != length) return 1;
  }
  return 0;
}

TEST(TcpStream, CommitsWhenPeerClosesRightAfterLastByte) {
  constexpr int streams = 500;
  const std::string data = pattern(5000);
  const listener server = listener::on_loopback(AF_INET);
  process peer([&] { return take_and_leave(server, streams, data.size()); });
  sink client(in_tree_sink("socket"), {{"address", "tcp://127.0.0.1:" + server.port()}});
  for (int number = 0; number < streams; ++number)
    ASSERT_EQ(client.stream(data), 0) << number << ": " << client.explanation();
  EXPECT_EQ(peer.wait(), 0);
}

TEST(TcpPeer, RefusedConnectionIsErrorThatNamesAddress) {
  listener server = listener::on_loopback(AF_INET);
  const std::string address = "tcp://127.0.0.1:" + server.port();
  server.close();
  sink client(in_tree_sink("socket"), {{"address", address}});
  EXPECT_EQ(client.open_patiently(), -ECONNREFUSED);
  EXPECT_NE(client.explanation().find(address), std::string::npos);
  EXPECT_NE(client.explanation().find("no program listens"), std::string::npos);
}

TEST(TcpPeer, UnansweredConnectionCanBeAborted) {
  // Once its queue is full, the kernel answers no further connection.
  const listener server = listener::on_loopback(AF_INET, 0);
  const std::string address = "tcp://127.0.0.1:" + server.port();
  sink queued(in_tree_sink("socket"), {{"address", address}});
  ASSERT_EQ(queued.open_patiently(), 0) << queued.explanation();
  sink client(in_tree_sink("socket"), {{"address", address}});
  ASSERT_EQ(client.open(), -EAGAIN) << client.explanation();
  EXPECT_GE(client.wait().fd, 0);
  EXPECT_EQ(client.open(), -EAGAIN) << "it was answered";
  EXPECT_EQ(client.abort(), 0);
}

}  // namespace
}  // namespace sink_tests
