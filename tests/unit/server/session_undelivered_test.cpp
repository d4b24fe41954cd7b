// SPDX-License-Identifier: BSD-3-Clause
//
// Clients that hang up before their replies reach them. In a window of 1200 bytes a write
// of 300 is answered, and a second one is not.
#include "at_work.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace nbdstream::test {
namespace {

class UndeliveredReply : public clients_at_work {
 protected:
  explicit UndeliveredReply(nbd_export::settings s = rig::windowed(1200))
      : clients_at_work(std::move(s)) {}

  /// One held and answered, one held and not answered.
  at_work& one_that_waits() {
    auto& c = connect();
    write(c, 300, pattern(300));
    write(c, 600, pattern(300));
    EXPECT_EQ(answers(c), "1");
    return c;
  }
  void expect_torn(const at_work& c) {
    EXPECT_TRUE(c.connection->done);
    EXPECT_EQ(r.exported.aborted(), 1u) << r.log.all();
    EXPECT_EQ(r.exported.committed(), 0u);
    EXPECT_TRUE(r.tape.all_ended_once());
  }
};

TEST_F(UndeliveredReply, DisconnectFollowedByHangUpAborts) {
  auto& c = one_that_waits();
  say(c, [](scripted_client& s) { s.disc(); });
  hang_up(c);
  EXPECT_EQ(answers(c), "1");
  expect_torn(c);
}

TEST_F(UndeliveredReply, HangUpAfterTheServerReadDisconnectAborts) {
  auto& c = one_that_waits();
  c.connection->tape.reads = false;
  disc(c);
  EXPECT_FALSE(c.connection->done) << "its answer is not taken";
  hang_up(c);
  expect_torn(c);
}

TEST_F(UndeliveredReply, LostDelayedReplyBeforeDisconnectAborts) {
  auto& c = one_that_waits();
  c.connection->tape.reads = false;
  write(connect(), 0, pattern(300));  // fills the gap: the answer is due
  say(c, [](scripted_client& s) { s.disc(); });
  hang_up(c);
  expect_torn(c);
}

class UndeliveredReplyWithRun : public UndeliveredReply {
 protected:
  UndeliveredReplyWithRun() : UndeliveredReply(decided_by_run(rig::windowed(1200))) {}
};

TEST_F(UndeliveredReplyWithRun, DisconnectFollowedByHangUpAborts) {
  auto& c = one_that_waits();
  say(c, [](scripted_client& s) { s.disc(); });
  hang_up(c);
  r.command_succeeds();
  expect_torn(c);
}

TEST_F(UndeliveredReplyWithRun, HangUpWithoutDisconnectAborts) {
  auto& c = one_that_waits();
  hang_up(c);
  r.command_succeeds();
  expect_torn(c);
}

TEST_F(UndeliveredReplyWithRun, EofCommitsWhenTheClientTakesTheReply) {
  auto& c = one_that_waits();
  c.connection->tape.stays = false;
  c.connection->tape.changed.notify_all();
  r.settle();
  EXPECT_EQ(answers(c), "1 2");
  r.command_succeeds();
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
}

/// A client at the other end of a real socket.
class UndeliveredReplyOnSocket : public ::testing::Test {
 protected:
  /// A client sends all of `script`, takes no reply, and closes at once.
  void come_and_go(rig& r, const scripted_client& script) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    io::unique_fd peer(ends[0]);
    auto transport = io::socket_transport(r.loop.get_executor(), io::unique_fd(ends[1]));
    one_export host(r.exported);
    session served(r.loop.get_executor(), {}, std::move(transport), host, r.log);
    bool done = false;
    spawn(r.loop, served.run(), &done);
    const auto say = [&](std::string_view text) {
      EXPECT_EQ(::write(peer.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
      r.settle();
    };
    say(script.script());
    std::array<char, 4096> heard{};  // what is not read would make the server's next read fail
    EXPECT_GT(::read(peer.get(), heard.data(), heard.size()), 0);
    // The server does not run between these two.
    const auto goodbye = request_message(0, scripted_client::disc_command, 0, 0, 0);
    EXPECT_EQ(::write(peer.get(), goodbye.data(), goodbye.size()),
              static_cast<ssize_t>(goodbye.size()));
    peer.reset();
    EXPECT_TRUE(run_until(r.loop, [&] { return done; }));
    r.settle();
  }
  static scripted_client one_that_waits() {
    scripted_client c;
    c.flags().go().write(300, pattern(300)).write(600, pattern(300));
    return c;
  }
};

TEST_F(UndeliveredReplyOnSocket, DisconnectFollowedByCloseAborts) {
  rig r(rig::windowed(1200));
  come_and_go(r, one_that_waits());
  EXPECT_EQ(r.exported.aborted(), 1u) << r.log.all();
}

TEST_F(UndeliveredReplyOnSocket, DisconnectAfterAllRepliesCommits) {
  rig r(rig::windowed(1200));
  scripted_client c;
  c.flags().go().write(300, pattern(300));
  come_and_go(r, c);
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
}

}  // namespace
}  // namespace nbdstream::test
