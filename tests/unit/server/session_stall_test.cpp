// SPDX-License-Identifier: BSD-3-Clause
//
// When a gap is filled with zeroes, and when not. A payload of 100,000 bytes of which 80,000 are
// there has its place in the window, and is still arriving.
#include "at_work.hpp"

namespace nbdstream::test {
namespace {

constexpr std::size_t payload_size = 100'000;
constexpr std::size_t missing_size = 20'000;
constexpr std::uint64_t window_size = 400'000;  // the window: three of them, with what they cost

/// No patience, and a window of `window_size`.
class SessionStall : public clients_at_work {
 protected:
  explicit SessionStall(nbd_export::settings s = impatient(rig::windowed(window_size)))
      : clients_at_work(std::move(s)) {}
  [[nodiscard]] bool gave_up() const { return r.log.says("zeroes were sent instead"); }
};

TEST_F(SessionStall, GapIsZeroFilledOnceTheSlowSinkIsOpen) {
  r.tape.hold = "open";
  begin_write(connect(), 1'000'000, pattern(payload_size), missing_size);  // opens the sink
  auto& c = connect();
  write(c, 200'000, pattern(payload_size));
  write(c, 300'000, pattern(payload_size));
  write(c, 400'000, pattern(payload_size));  // no room: it waits
  EXPECT_EQ(answers(c), "") << "nothing can be sent yet";
  r.sink->release();
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3");
  EXPECT_TRUE(gave_up()) << r.log.all();
}

TEST_F(SessionStall, GapWaitsForAnArrivingPayloadWhileTheWindowHasRoom) {
  auto& slow = connect();
  begin_write(slow, 1'000'000, pattern(payload_size), missing_size);
  auto& c = connect();
  write(c, 300'000, pattern(payload_size));
  EXPECT_EQ(answers(c), "") << "more than half of the window is used";
  EXPECT_FALSE(gave_up()) << r.log.all();
  end_write(slow);
  EXPECT_EQ(answers(c), "1");
  EXPECT_TRUE(gave_up()) << "nothing arrives any more";
}

TEST_F(SessionStall, GapIsZeroFilledDespiteAnArrivingPayloadInAFullWindow) {
  begin_write(connect(), 1'000'000, pattern(payload_size), missing_size);
  auto& c = connect();
  for (std::uint64_t at = 200'000; at <= 500'000; at += payload_size)
    write(c, at, pattern(payload_size));
  EXPECT_TRUE(gave_up()) << r.log.all();
  EXPECT_EQ(answers(c), "1 2 3 4");
}

class SessionStallWithGapsRefused : public SessionStall {
 protected:
  SessionStallWithGapsRefused()
      : SessionStall(refusing_gaps(impatient(rig::windowed(window_size)))) {}
};

TEST_F(SessionStallWithGapsRefused, ArrivingPayloadAdjacentToZeroesIsNoGap) {
  auto& slow = connect();
  begin_write(slow, 100'000, pattern(payload_size), missing_size);
  zeroes(connect(), 0, 100'000);
  auto& c = connect();
  for (const std::uint64_t at : {200'000, 300'000, 400'000}) write(c, at, pattern(payload_size));
  EXPECT_EQ(answers(c), "") << "the last one has no room";
  EXPECT_EQ(r.exported.aborted(), 0u) << r.log.all();
  end_write(slow);
  EXPECT_EQ(answers(slow), "1");
  EXPECT_EQ(answers(c), "1 2 3");
  const auto piece = pattern(payload_size);
  EXPECT_EQ(r.tape.data(), std::string(100'000, '\0') + piece + piece + piece + piece);
}

TEST_F(SessionStallWithGapsRefused, GapBeforeAnArrivingPayloadAborts) {
  auto& slow = connect();
  begin_write(slow, 100'001, pattern(payload_size), missing_size);
  zeroes(connect(), 0, 100'000);
  auto& c = connect();
  for (const std::uint64_t at : {300'000, 400'000, 500'000}) write(c, at, pattern(payload_size));
  EXPECT_EQ(r.exported.aborted(), 1u) << r.log.all();
}

/// A window of 1200, a stall time of 50 ms, and another client that never stops sending requests.
class SessionStallBesideBusyClient : public clients_at_work {
 protected:
  static nbd_export::settings soon() {
    auto s = rig::windowed(1200);
    s.config.stall = std::chrono::milliseconds(50);
    return s;
  }
  SessionStallBesideBusyClient() : clients_at_work(soon()) {}

  /// Another client sends zeroes ahead of the gap, one after another, until `c` has the replies
  /// `wanted`.
  [[nodiscard]] bool answered_beside(const at_work& c, const std::string& wanted) {
    auto& other = connect();
    std::uint64_t at = 1 << 30;
    std::size_t said = 0;
    return run_until(r.loop, [&] {
      if (heard(other).answers.size() == said) {
        say(other, [&](scripted_client& s) { s.zeroes(at += 8192, 4096); });
        ++said;
      }
      return answers(c) == wanted;
    });
  }
};

TEST_F(SessionStallBesideBusyClient, GapIsZeroFilledForAWriteWithoutRoom) {
  auto& c = connect();
  write(c, 300, pattern(3000));
  EXPECT_TRUE(answered_beside(c, "1"));
}

TEST_F(SessionStallBesideBusyClient, GapIsZeroFilledForADelayedReply) {
  auto& c = connect();
  write(c, 300, pattern(300));
  write(c, 600, pattern(300));
  EXPECT_TRUE(answered_beside(c, "1 2"));
}

}  // namespace
}  // namespace nbdstream::test
