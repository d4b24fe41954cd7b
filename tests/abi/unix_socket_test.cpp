// SPDX-License-Identifier: BSD-3-Clause
//
// The sinks `fifo` and `socket` both connect to Unix sockets, and must do the same there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <ostream>

#include "host.hpp"
#include "listener.hpp"
#include "surroundings.hpp"

namespace sink_tests {
namespace {

struct way {
  const char* module;
  const char* option;
  const char* prefix;
};

/// For messages about a failed test.
void PrintTo(const way& way, std::ostream* out) {
  *out << way.module << ':' << way.prefix;
}

struct UnixSocketSink : ::testing::TestWithParam<way> {
  directory here;
  const std::string path = here / "socket";
  const std::string module = in_tree_sink(GetParam().module);
  const settings values{{GetParam().option, GetParam().prefix + path}};
};

INSTANTIATE_TEST_SUITE_P(Addresses, UnixSocketSink,
                         ::testing::Values(way{"fifo", "path", ""}, way{"socket", "address", ""},
                                           way{"socket", "address", "unix://"}),
                         [](const auto& each) {
                           const std::string sink = each.param.module;
                           if (sink == "fifo") return std::string("FifoPath");
                           return std::string(*each.param.prefix ? "SocketUri" : "SocketPath");
                         });

TEST_P(UnixSocketSink, StreamArrivesAndEndsWithEndOfFile) {
  const listener server = listener::at(path);
  sink client(module, values);
  ASSERT_EQ(client.created, 0) << client.explanation();
  ASSERT_EQ(client.open_patiently(), 0);
  EXPECT_EQ(client.fd_flags(), 0U);
  EXPECT_NE(::fcntl(client.fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(::fcntl(client.fd(), F_GETFD), FD_CLOEXEC);
  const descriptor peer = server.accept();
  ASSERT_EQ(client.send("hello"), 0);
  EXPECT_EQ(client.commit(5), -EAGAIN) << "the peer has not read it";
  EXPECT_EQ(read_from(peer.get(), 5), "hello");
  EXPECT_EQ(client.commit_patiently(5), 0);
  EXPECT_EQ(next_from(peer.get()), 0);
}

TEST_P(UnixSocketSink, EachStreamOpensItsOwnConnection) {
  const listener server = listener::at(path);
  sink client(module, values);
  for (int stream = 0; stream < 3; ++stream) {
    ASSERT_EQ(client.stream(""), 0);
    const descriptor peer = server.accept();
    EXPECT_EQ(next_from(peer.get()), 0);
  }
}

TEST_P(UnixSocketSink, CommitFailsWhenPeerLeavesBytesUnread) {
  const listener server = listener::at(path);
  sink client(module, values);
  ASSERT_EQ(client.open_patiently(), 0);
  descriptor peer = server.accept();
  ASSERT_EQ(client.send("0123456789"), 0);
  ASSERT_EQ(client.commit(10), -EAGAIN);
  peer.reset();
  EXPECT_EQ(client.commit_patiently(10), -ECONNRESET);
  EXPECT_NE(client.explanation().find("peer"), std::string::npos);
  EXPECT_EQ(client.abort(), 0);
}

TEST_P(UnixSocketSink, CommitWaitsWithoutSpinningAfterPeerShutDownItsSide) {
  const listener server = listener::at(path);
  sink client(module, values);
  ASSERT_EQ(client.open_patiently(), 0);
  const descriptor peer = server.accept();
  ASSERT_EQ(client.send("0123456789"), 0);
  ASSERT_EQ(::shutdown(peer.get(), SHUT_WR), 0);
  ASSERT_EQ(client.commit(10), -EAGAIN);
  const nbdstream_wait until = client.wait();
  EXPECT_GT(until.timeout_ns, 0);
  pollfd entry{until.fd, 0, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0) << "a wait that is over at once is no wait";
}

TEST_P(UnixSocketSink, CommitSucceedsThoughPeerHasSentData) {
  const listener server = listener::at(path);
  sink client(module, values);
  ASSERT_EQ(client.open_patiently(), 0);
  const descriptor peer = server.accept();
  ASSERT_EQ(::send(peer.get(), "welcome", 7, MSG_NOSIGNAL), 7);
  EXPECT_EQ(client.commit_patiently(), 0);
  EXPECT_EQ(next_from(peer.get()), 0);
}

TEST_P(UnixSocketSink, AbortClosesAtOnce) {
  const listener server = listener::at(path);
  sink client(module, values);
  ASSERT_EQ(client.open_patiently(), 0);
  const descriptor peer = server.accept();
  ASSERT_EQ(client.send("torn"), 0);
  EXPECT_EQ(client.abort(), 0);
  EXPECT_EQ(read_from(peer.get()), "torn");
}

TEST_P(UnixSocketSink, OpenWaitsWhileBacklogIsFull) {
  const listener server = listener::at(path, 0);
  sink first(module, values), second(module, values);
  ASSERT_EQ(first.open_patiently(), 0);
  ASSERT_EQ(second.open(), -EAGAIN);
  EXPECT_GT(second.wait().timeout_ns, 0);
  const descriptor peer = server.accept();
  EXPECT_EQ(second.open_patiently(), 0);
}

TEST_P(UnixSocketSink, RefusedConnectionIsErrorThatNamesPath) {
  listener::at(path).close();
  sink client(module, values);
  ASSERT_EQ(client.created, 0);
  EXPECT_EQ(client.open(), -ECONNREFUSED);
  EXPECT_NE(client.explanation().find("no program listens"), std::string::npos);
  EXPECT_NE(client.explanation().find(path), std::string::npos);
}

TEST_P(UnixSocketSink, DatagramSocketIsRefused) {
  const descriptor datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(::bind(datagrams.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  sink client(module, values);
  EXPECT_EQ(client.open(), -EPROTOTYPE);
  EXPECT_NE(client.explanation().find("not a stream socket"), std::string::npos);
}

}  // namespace
}  // namespace sink_tests
