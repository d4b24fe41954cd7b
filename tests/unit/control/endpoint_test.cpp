// SPDX-License-Identifier: BSD-3-Clause
//
// How many connections there are at a time, and who makes room. Over sockets of the system.
#include "control/endpoint.hpp"

#include "talk.hpp"
#include "unit/io/loop.hpp"

#include <memory>
#include <vector>

namespace nbdstream::test {
namespace {

constexpr auto most = control::endpoint::most_connections;

class Endpoint : public ::testing::Test {
 protected:
  ~Endpoint() override {
    t.all.begin_to_end();
    t.all.abort_waiters();
    it.close_all();
    bool joined = false;
    spawn(t.r.loop, it.join(), &joined);
    t.r.settle();
    EXPECT_TRUE(joined) << "a connection hangs";
    EXPECT_TRUE(it.empty());
  }

  /// A peer that sends `text`.
  int connect(const std::string& text) {
    auto both = make_socketpair();
    EXPECT_EQ(::send(both.read.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    it.accept(std::move(both.write));
    peers.push_back(std::move(both.read));
    t.r.settle();
    return peers.back().get();
  }
  /// Whether the connection of this peer was closed.
  static bool closed(int peer) {
    pollfd p{peer, 0, 0};
    return ::poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0;
  }

  talk t;
  control::endpoint it{
      t.r.loop.get_executor(),
      {.where = control::place::control, .host = {}, .times = long_patience_of_peers()},
      t.all,
      t.r.log};
  std::vector<io::unique_fd> peers;
};

TEST_F(Endpoint, OneTooManyTakesThePlaceOfTheOldestThatHasAskedForNothing) {
  const int waits = connect(get("/v1/outcome"));
  const int slow = connect("GET / HT");
  const int idle = connect(get("/healthz"));
  while (peers.size() < most) connect("");
  EXPECT_FALSE(closed(slow) || closed(idle));
  EXPECT_EQ(status_in(drain(connect(get("/healthz")))), 200U);
  EXPECT_TRUE(closed(slow));
  EXPECT_FALSE(closed(idle) || closed(waits));
  connect("");
  EXPECT_TRUE(closed(idle));
  EXPECT_FALSE(closed(waits));
}

TEST_F(Endpoint, OneTooManyTakesThePlaceOfTheOldestThatGetsEventsWhereAllHaveAsked) {
  const int waits = connect(get("/v1/outcome"));
  const int oldest = connect(get("/v1/events"));
  while (peers.size() < most) connect(get("/v1/events"));
  EXPECT_EQ(status_in(drain(connect(get("/healthz")))), 200U);
  EXPECT_TRUE(closed(oldest));
  EXPECT_FALSE(closed(waits));
}

TEST_F(Endpoint, OneTooManyIsRefusedWhereAllWaitForAnAnswer) {
  while (peers.size() < most) connect(get("/v1/outcome"));
  const int refused = connect(get("/healthz"));
  EXPECT_EQ(status_in(drain(refused)), 503U);
  EXPECT_TRUE(closed(refused));
  for (std::size_t i = 0; i < most; ++i) EXPECT_FALSE(closed(peers[i].get()));
}

}  // namespace
}  // namespace nbdstream::test
