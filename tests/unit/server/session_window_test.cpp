// SPDX-License-Identifier: BSD-3-Clause
//
// A window that fills: which writes are answered and which wait. A window of 1200 bytes, in
// which a write of 300 costs 492 (window::overhead): the first is held and answered, the second is
// held and not answered, a third is not read any more.
#include "at_work.hpp"

namespace nbdstream::test {
namespace {

using client = scripted_client;

class SessionWindow : public clients_at_work {
 protected:
  explicit SessionWindow(nbd_export::settings s = rig::windowed(1200))
      : clients_at_work(std::move(s)) {}

  /// Lets it say more.
  void go_on(at_work& c, const std::function<void(client&)>& with) {
    say(c, with);
    r.settle();
  }
  void write(at_work& c, std::uint64_t offset, std::uint16_t flags = 0) {
    go_on(c, [&](client& s) { s.write(offset, piece(offset), flags); });
  }
  static std::string piece(std::uint64_t offset) {
    return pattern(300, static_cast<unsigned>(offset));
  }
  static std::string answers(const at_work& c) {
    EXPECT_EQ(heard(c).leftover, "");
    return clients_at_work::answers(c);
  }
};

TEST_F(SessionWindow, WriteWithinHalfIsHeldAndAnsweredAtOnce) {
  auto& c = connect();
  write(c, 300);
  EXPECT_EQ(answers(c), "1");
  EXPECT_EQ(r.tape.data(), "");
}

TEST_F(SessionWindow, WriteBeyondHalfIsAnsweredWhenTheGapIsFilled) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  EXPECT_EQ(answers(c), "1") << "the second waits";
  write(c, 0);
  EXPECT_EQ(answers(c), "1 3 2");
  EXPECT_EQ(r.tape.data(), piece(0) + piece(300) + piece(600));
  disc(c);
  EXPECT_EQ(r.exported.committed(), 1u);
}

TEST_F(SessionWindow, WritePassedByTheCursorIsAnsweredAlthoughHalfIsUsed) {
  auto& c = connect();
  go_on(c, [](client& s) { s.write(1000, pattern(500)).write(300, pattern(100)); });
  EXPECT_EQ(answers(c), "");
  write(connect(), 0);
  EXPECT_EQ(answers(c), "2") << "the first one is held, and fills more than half";
  go_on(connect(), [](client& s) { s.write(400, pattern(600)); });
  EXPECT_EQ(answers(c), "2 1");
}

TEST_F(SessionWindow, ConnectionIsNotReadWhileItsWriteHasNoRoom) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  write(c, 900);
  write(c, 0);
  EXPECT_EQ(answers(c), "1") << "the fourth would fill the gap, but stands behind the third";
  auto& other = connect();
  write(other, 0);
  // The third is next then, and goes from its connection to the sink. The fourth is late.
  EXPECT_EQ(answers(other), "1");
  EXPECT_TRUE(r.tape.data().starts_with(piece(0) + piece(300) + piece(600)));
  EXPECT_NE(answers(c).find("4:22"), std::string::npos);
}

TEST_F(SessionWindow, TwentyConnectionsCommitOnceTheLastFillsTheGap) {
  for (unsigned i = 1; i < 20; ++i) write(connect(), i * 300);
  auto& last = connect();
  write(last, 0);
  std::string all;
  for (unsigned i = 0; i < 20; ++i) all += piece(i * 300);
  EXPECT_EQ(r.tape.data(), all);
  for (auto& c : clients) {
    EXPECT_EQ(answers(c), "1");
    disc(c);
  }
  EXPECT_EQ(r.exported.committed(), 1u);
}

TEST_F(SessionWindow, FlushAndFuaDoNotWaitForTheGap) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  go_on(c, [](client& s) { s.flush(); });
  EXPECT_EQ(answers(c), "1 3");
  auto& d = connect();
  write(d, 400 + 600, client::fua);
  EXPECT_EQ(answers(d), "") << "there is no room for it";
  auto& small = connect();
  go_on(small, [](client& s) { s.write(2000, "x", client::fua); });
  EXPECT_EQ(answers(small), "1") << "held, and answered";
}

TEST_F(SessionWindow, DisconnectZeroFillsTheGapAndAnswersHeldWrites) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  disc(c);
  EXPECT_EQ(answers(c), "1 2");
  EXPECT_TRUE(c.connection->done);
  EXPECT_EQ(r.exported.committed(), 1u) << "gaps count as zeroes here";
  EXPECT_EQ(r.tape.data(), std::string(300, '\0') + piece(300) + piece(600));
}

TEST_F(SessionWindow, StreamFailureAnswersWaitingWritesWithEio) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  auto& waiting = connect();
  write(waiting, 900);
  auto& dying = connect();
  write(dying, 2000);
  EXPECT_EQ(answers(waiting), "");
  dying.connection->tape.hang_up();
  r.settle();
  EXPECT_EQ(answers(c), "1 2:5");
  EXPECT_EQ(answers(waiting), "1:5");
  EXPECT_EQ(r.exported.aborted(), 1u);
}

TEST_F(SessionWindow, SlowClientGetsItsDelayedReply) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  c.connection->tape.reads = false;
  auto& other = connect();
  write(other, 0);
  EXPECT_EQ(answers(c), "1");
  c.connection->tape.reads = true;
  c.connection->tape.changed.notify_all();
  r.settle();
  EXPECT_EQ(answers(c), "1 2");
}

TEST_F(SessionWindow, DelayedReplyDoesNotSplitTheDataOfARead) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  c.connection->tape.reads = false;
  go_on(c, [](client& s) { s.read(0, 1000); });
  auto& other = connect();
  write(other, 0);
  c.connection->tape.reads = true;
  c.connection->tape.changed.notify_all();
  r.settle();
  const auto said = c.script.parse(c.connection->tape.from_server);
  EXPECT_EQ(answers(c), "1 3 2");
  EXPECT_EQ(said.answers[1].data,
            std::string(300, '\0') + piece(300) + piece(600) + std::string(100, '\0'));
}

TEST_F(SessionWindow, ReadReturnsHeldBytesAndFailsForSentBytes) {
  auto& c = connect();
  write(c, 300);
  go_on(c, [](client& s) { s.read(250, 100).read(5000, 10); });
  const auto said = c.script.parse(c.connection->tape.from_server);
  ASSERT_EQ(answers(c), "1 2 3");
  EXPECT_EQ(said.answers[1].data, std::string(50, '\0') + piece(300).substr(0, 50));
  EXPECT_EQ(said.answers[2].data, std::string(10, '\0'));
  write(c, 0);
  go_on(c, [](client& s) { s.read(599, 10); });
  EXPECT_EQ(answers(c), "1 2 3 4 5:5");
}

TEST_F(SessionWindow, MultiConnIsOfferedAndFastZeroIsAccepted) {
  EXPECT_TRUE(r.exported.info().flags & protocol::transmission_flag::can_multi_conn);
  auto& c = connect();
  go_on(c, [](client& s) { s.zeroes(100, 1 << 30, client::fast_zero); });
  EXPECT_EQ(answers(c), "1");
  const rig strict;
  EXPECT_FALSE(strict.exported.info().flags & protocol::transmission_flag::can_multi_conn);
}

class SessionWideWindow : public SessionWindow {
 protected:
  SessionWideWindow() : SessionWindow(rig::windowed(1 << 20)) {}
};

TEST_F(SessionWideWindow, PayloadThatEndsAfterTheFailureGetsEio) {
  constexpr std::size_t there = 80'000;  // of 100,000: enough to have its place in the window
  auto& slow = connect();
  const auto begin = slow.script.script().size();
  slow.script.write(600, pattern(100'000));
  const auto request = slow.script.script().substr(begin);
  slow.connection->tape.send(request.substr(0, there));
  auto& dying = connect();
  write(dying, 300);
  dying.connection->tape.hang_up();
  r.settle();
  slow.connection->tape.send(request.substr(there));
  r.settle();
  EXPECT_EQ(answers(slow), "1:5");
}

class SessionWindowWithoutStallTime : public SessionWindow {
 protected:
  SessionWindowWithoutStallTime() : SessionWindow(impatient(rig::windowed(1200))) {}
};

TEST_F(SessionWindowWithoutStallTime, GapIsZeroFilledForADelayedReply) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  EXPECT_EQ(answers(c), "1 2");
  EXPECT_EQ(r.tape.data(), std::string(300, '\0') + piece(300) + piece(600));
  write(c, 0);
  EXPECT_EQ(answers(c), "1 2 3:22");
  EXPECT_NE(r.log.all().find("--order spill"), std::string::npos) << r.log.all();
}

TEST_F(SessionWindowWithoutStallTime, WriteLargerThanTheWindowIsAccepted) {
  auto& c = connect();
  go_on(c, [](client& s) { s.write(5000, pattern(3000)).write(8000, pattern(10)).disc(); });
  EXPECT_EQ(answers(c), "1 2");
  EXPECT_EQ(r.tape.data(), std::string(5000, '\0') + pattern(3000) + pattern(10));
  EXPECT_EQ(r.exported.committed(), 1u);
}

class SessionWindowWithGapsRefused : public SessionWindow {
 protected:
  SessionWindowWithGapsRefused() : SessionWindow(refusing_gaps(impatient(rig::windowed(1200)))) {}
};

TEST_F(SessionWindowWithGapsRefused, StallAbortsAndTheLogSuggestsOrderSpill) {
  auto& c = connect();
  write(c, 300);
  write(c, 600);
  EXPECT_EQ(answers(c), "1 2:5");
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_NE(r.log.all().find("--order spill"), std::string::npos) << r.log.all();
  EXPECT_EQ(r.tape.data(), "");
}

}  // namespace
}  // namespace nbdstream::test
