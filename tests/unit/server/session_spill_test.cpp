// SPDX-License-Identifier: BSD-3-Clause
//
// Writes that go to the spill file: the next one is received while the disk is busy.
#include "at_work.hpp"

#include <algorithm>
#include <string>

namespace nbdstream::test {
namespace {

class SpilledWrites : public clients_at_work {
 protected:
  explicit SpilledWrites(std::optional<std::uint64_t> limit = {})
      : clients_at_work(spooled(limit)) {}
  static nbd_export::settings spooled(std::optional<std::uint64_t> limit) {
    auto s = rig::ordered(stream::order::spool, 0);
    s.config.spill_limit = limit;
    return s;
  }

  /// The next call of the disk does not return before r.spill.release().
  void next_call_hangs() { r.spill.hangs_at = r.spill.calls.size(); }
  [[nodiscard]] std::ptrdiff_t calls_that_write() const {
    return std::ranges::count(r.spill.calls, "write");
  }
  /// A client whose first write has made the file.
  at_work& connect_and_open() {
    auto& c = connect();
    write(c, 10, "x");
    EXPECT_EQ(answers(c), "1");
    return c;
  }
};

TEST_F(SpilledWrites, AreReceivedDuringAnEarlierDiskWrite) {
  auto& c = connect_and_open();
  next_call_hangs();
  write(c, 300, "cc");
  write(c, 200, "bb");
  write(c, 100, "aa");
  EXPECT_EQ(answers(c), "1") << "none is answered before it is in the file";
  r.spill.release();
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3 4");
  EXPECT_EQ(calls_that_write(), 3) << "two that had come meanwhile go with one call";
}

TEST_F(SpilledWrites, OfTwoClientsMakeOneDiskWrite) {
  auto& first = connect_and_open();
  auto& second = connect();
  next_call_hangs();
  write(first, 100, "aa");
  write(second, 200, "bb");
  write(first, 300, "cc");
  EXPECT_EQ(answers(second), "");
  r.spill.release();
  r.settle();
  EXPECT_EQ(answers(first), "1 2 3");
  EXPECT_EQ(answers(second), "1");
  EXPECT_EQ(calls_that_write(), 3);
}

TEST_F(SpilledWrites, DisconnectWaitsForTheDiskAndTheReply) {
  auto& c = connect_and_open();
  next_call_hangs();
  write(c, 0, "0123456789");
  disc(c);
  r.settle();
  EXPECT_EQ(r.exported.committed(), 0u);
  EXPECT_EQ(answers(c), "1");
  r.spill.release();
  r.settle();
  EXPECT_EQ(answers(c), "1 2");
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_EQ(r.tape.data(), "0123456789x");
}

TEST_F(SpilledWrites, HangUpDuringTheDiskWriteAborts) {
  auto& c = connect_and_open();
  next_call_hangs();
  write(c, 0, "0123456789");
  hang_up(c);
  r.spill.release();
  r.settle();
  EXPECT_EQ(r.exported.committed(), 0u);
  EXPECT_EQ(r.exported.aborted(), 1u);
}

TEST_F(SpilledWrites, FullDiskFailsQueuedWritesWithEnospc) {
  auto& c = connect_and_open();
  next_call_hangs();
  write(c, 100, "aa");
  r.spill.fail_at = r.spill.calls.size() - 1;
  r.spill.fail_with = ENOSPC;
  write(c, 200, "bb");
  r.spill.release();
  r.settle();
  EXPECT_EQ(answers(c), "1 2:28 3:28");
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_NE(r.log.all().find("connection 1: WRITE refused: 2 bytes at 100 cannot be kept "
                             "in the spill file in a directory"),
            std::string::npos)
      << r.log.all();
}

TEST_F(SpilledWrites, FuaIsAnsweredAfterTheDiskWrite) {
  auto& c = connect_and_open();
  next_call_hangs();
  say(c, [](scripted_client& s) { s.write(100, "aa", protocol::command_flag::fua); });
  r.settle();
  EXPECT_EQ(answers(c), "1");
  r.spill.release();
  r.settle();
  EXPECT_EQ(answers(c), "1 2");
}

TEST_F(SpilledWrites, OverlappingRequestsWaitForTheEarlierWrite) {
  auto& c = connect_and_open();
  next_call_hangs();
  write(c, 0, "0123456789");
  zeroes(c, 2, 3);
  write(c, 4, "ab");
  EXPECT_EQ(answers(c), "1");
  r.spill.release();
  r.settle();
  disc(c);
  EXPECT_EQ(r.tape.data(), std::string("01\0\0ab6789x", 11));
}

constexpr std::uint64_t page = 4096;  // bytes

class SpilledWritesWithLimit : public SpilledWrites {
 protected:
  SpilledWritesWithLimit() : SpilledWrites(3 * page) {}
};

TEST_F(SpilledWritesWithLimit, RewriteNeedsNoMoreSpace) {
  auto& c = connect_and_open();
  write(c, 0, std::string(3 * page, 'a'));
  next_call_hangs();
  write(c, 0, std::string(page, 'b'));
  write(c, page, std::string(page, 'c'));
  r.spill.release();
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3 4") << r.log.all();
}

TEST_F(SpilledWrites, ThousandPiecesAreSplitIntoSeveralDiskWrites) {
  auto& c = connect_and_open();
  next_call_hangs();
  write(c, 100'000, "first");
  for (int i = 0; i < 1500; ++i) {
    say(c, [i](scripted_client& s) {
      s.write(static_cast<std::uint64_t>(i) * 20 + 100, "0123456789");
    });
  }
  r.settle();
  r.spill.release();
  r.settle();
  EXPECT_EQ(heard(c).answers.size(), 1502U);
  EXPECT_GT(calls_that_write(), 6) << "none with more than 256 pieces";
  disc(c);
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
}

TEST_F(SpilledWrites, ReadReturnsTheirBytes) {
  auto& c = connect_and_open();
  write(c, 100, "aa");
  say(c, [](scripted_client& s) { s.read(100, 2); });
  r.settle();
  ASSERT_EQ(answers(c), "1 2 3");
  EXPECT_EQ(heard(c).answers[2].data, "aa");
}

TEST_F(SpilledWrites, PayloadLargerThanTheQueueIsKeptWhole) {
  const auto large = pattern(3 * spill_queue::capacity + 1000);
  auto& c = connect_and_open();
  write(c, 0, large);
  disc(c);
  EXPECT_EQ(answers(c), "1 2");
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_EQ(r.tape.data().size(), large.size());
  EXPECT_TRUE(r.tape.data() == large);
}

}  // namespace
}  // namespace nbdstream::test
