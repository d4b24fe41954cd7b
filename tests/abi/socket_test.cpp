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

struct Tcp : ::testing::Test {
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

TEST(SocketAddress, that_is_wrong_is_refused_in_one_sentence) {
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

TEST(SocketAddress, that_is_too_long_for_a_unix_socket_is_refused) {
  const sink refused(in_tree_sink("socket"), {{"address", "/" + std::string(200, 'x')}});
  EXPECT_EQ(refused.created, -ENAMETOOLONG);
}

TEST(SocketAddress, need_not_exist_before_the_first_stream) {
  sink client(in_tree_sink("socket"), {{"address", "/nonexistent/socket"}});
  EXPECT_EQ(client.created, 0);
  EXPECT_EQ(client.open(), -ENOENT);
  EXPECT_NE(client.explanation().find("no such socket"), std::string::npos);
}

TEST(SocketAddress, can_be_an_ipv6_literal) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  const listener server = listener::on_loopback(AF_INET6);
  sink client(in_tree_sink("socket"), {{"address", "tcp://[::1]:" + server.port()}});
  EXPECT_EQ(client.stream("six"), 0) << client.explanation();
  EXPECT_EQ(read_from(server.accept().get()), "six");
}

// Where the name has an IPv6 address too, that comes first, and nobody listens there.
TEST(SocketAddress, can_be_a_name_all_of_whose_addresses_are_tried) {
  const listener server = listener::on_loopback(AF_INET);
  sink client(in_tree_sink("socket"), {{"address", "tcp://localhost:" + server.port()}});
  // A bare system has no /etc/hosts, and then even this name is unknown.
  addrinfo* known = nullptr;
  if (::getaddrinfo("localhost", nullptr, nullptr, &known) != 0) {
    EXPECT_EQ(client.open_patiently(), -EHOSTUNREACH);
    return;
  }
  ::freeaddrinfo(known);
  ASSERT_EQ(client.open_patiently(), 0) << client.explanation();
  EXPECT_TRUE(server.accept());
}

TEST(SocketAddress, whose_name_is_unknown_is_an_error_of_open) {
  // Too long for a label of the domain name system, so nobody else is asked.
  const std::string name(64, 'x');
  sink client(in_tree_sink("socket"), {{"address", "tcp://" + name + ":9000"}});
  ASSERT_EQ(client.created, 0);
  EXPECT_EQ(client.open_patiently(), -EHOSTUNREACH);
  EXPECT_NE(client.explanation().find(name), std::string::npos);
}

TEST_F(Tcp, only_opening_may_block) {
  EXPECT_EQ(client.table().blocking, uint32_t{NBDSTREAM_BLOCKING_OPEN});
}

TEST_F(Tcp, commit_ends_the_stream_with_a_fin) {
  const std::string data = pattern(100'000);
  const descriptor peer = connect();
  ASSERT_EQ(client.send(data), 0);
  ASSERT_EQ(client.commit_patiently(data.size()), 0) << client.explanation();
  EXPECT_TRUE(read_from(peer.get()) == data);
  EXPECT_EQ(next_from(peer.get()), 0);
}

TEST_F(Tcp, abort_ends_the_stream_with_a_reset) {
  const descriptor peer = connect();
  ASSERT_EQ(client.send("torn"), 0);
  EXPECT_EQ(read_from(peer.get(), 4), "torn");
  EXPECT_EQ(client.abort(), 0);
  EXPECT_EQ(next_from(peer.get()), -ECONNRESET);
}

TEST_F(Tcp, abort_resets_even_while_a_commit_waits_for_a_slow_peer) {
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

TEST_F(Tcp, what_the_peer_said_does_not_turn_a_commit_into_a_reset) {
  const descriptor peer = connect();
  ASSERT_EQ(::send(peer.get(), "welcome", 7, MSG_NOSIGNAL), 7);
  ASSERT_EQ(client.send("data"), 0);
  EXPECT_EQ(client.commit_patiently(4), 0);
  EXPECT_EQ(next_from(peer.get()), 4);
  EXPECT_EQ(next_from(peer.get()), 0);
  EXPECT_EQ(::send(peer.get(), "goodbye", 7, MSG_NOSIGNAL), 7) << "no reset came";
}

TEST_F(Tcp, commit_fails_when_the_peer_closes_with_bytes_unread) {
  descriptor peer = connect();
  ASSERT_EQ(client.send("0123456789"), 0);
  ASSERT_EQ(read_from(peer.get(), 5), "01234");
  peer.reset();
  EXPECT_EQ(client.commit_patiently(10), -ECONNRESET);
  EXPECT_NE(client.explanation().find("peer"), std::string::npos);
  EXPECT_EQ(client.abort(), 0);
}

// The peer's system need not acknowledge an end at once, but its own end does.
TEST_F(Tcp, CommitSucceedsWhenThePeerClosesWhileItIsAskedWhetherItIsThere) {
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

TEST_F(Tcp, CommitFailsWhenThePeerResetsWhileItIsAskedWhetherItIsThere) {
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

TEST_F(Tcp, keepalive_is_on) {
  const descriptor peer = connect();
  int on = 0;
  socklen_t size = sizeof on;
  ASSERT_EQ(::getsockopt(client.fd(), SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
  EXPECT_EQ(on, 1);
}

TEST(TcpStream, IsResetWhenOurProcessEndsInTheMiddle) {
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

TEST(TcpStream, IsResetWhenOurProcessEndsBeforeItKnowsThatItIsConnected) {
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

/// Takes streams of `length` bytes, and closes each connection at once: by turns after the last
/// byte and after the end.
int take_and_leave(const listener& server, int streams, size_t length) {
  for (int number = 0; number < streams; ++number) {
    const descriptor peer = server.accept();
    const size_t limit = number % 2 == 0 ? length : length + 1;
    if (read_from(peer.get(), limit).size() != length) return 1;
  }
  return 0;
}

TEST(TcpStream, IsCommittedEachTimeThatThePeerClosesAsSoonAsItHasAll) {
  constexpr int streams = 500;
  const std::string data = pattern(5000);
  const listener server = listener::on_loopback(AF_INET);
  process peer([&] { return take_and_leave(server, streams, data.size()); });
  sink client(in_tree_sink("socket"), {{"address", "tcp://127.0.0.1:" + server.port()}});
  for (int number = 0; number < streams; ++number)
    ASSERT_EQ(client.stream(data), 0) << number << ": " << client.explanation();
  EXPECT_EQ(peer.wait(), 0);
}

TEST(TcpPeer, that_refuses_is_an_error_that_names_the_address) {
  listener server = listener::on_loopback(AF_INET);
  const std::string address = "tcp://127.0.0.1:" + server.port();
  server.close();
  sink client(in_tree_sink("socket"), {{"address", address}});
  EXPECT_EQ(client.open_patiently(), -ECONNREFUSED);
  EXPECT_NE(client.explanation().find(address), std::string::npos);
  EXPECT_NE(client.explanation().find("nobody listens"), std::string::npos);
}

TEST(TcpPeer, that_does_not_answer_can_be_abandoned) {
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
