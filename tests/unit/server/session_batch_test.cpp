// SPDX-License-Identifier: BSD-3-Clause
//
// Small adjacent writes that arrive together become one call of the sink; each has its own reply.
#include "at_work.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

std::size_t count(const rig& r, std::string_view call) {
  return static_cast<std::size_t>(std::ranges::count(r.tape.calls, call));
}

class SessionBatch : public clients_at_work {
 protected:
  SessionBatch() : clients_at_work(rig::windowed(1 << 20)) {}

  /// A client that has written the first ten bytes already: the sink is open.
  at_work& connect_and_begin() {
    auto& c = connect();
    write(c, 0, "0123456789");
    return c;
  }
};

TEST_F(SessionBatch, AdjacentWritesMakeOneSinkCallAndOneReplyEach) {
  auto& c = connect_and_begin();
  say(c, [](scripted_client& s) { s.write(10, "ab").write(12, "c").write(13, "def").disc(); });
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3 4");
  EXPECT_EQ(r.tape.data(), "0123456789abcdef");
  EXPECT_EQ(count(r, "parts"), 1u);
  EXPECT_EQ(count(r, "write"), 1u);
  EXPECT_EQ(r.exported.committed(), 1u);
}

TEST_F(SessionBatch, EndsAtAWriteThatIsNotAdjacent) {
  auto& c = connect_and_begin();
  say(c, [](scripted_client& s) {
    s.write(10, "a").write(11, "b").write(20, "k").write(12, "c").write(13, "defghij");
  });
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3 4 5 6");
  EXPECT_EQ(r.tape.data(), "0123456789abcdefghijk");
  EXPECT_EQ(count(r, "parts"), 3u) << "two batches, and what was held";
}

TEST_F(SessionBatch, EndsBeforeAnIncompleteWrite) {
  auto& c = connect_and_begin();
  say(
      c, [](scripted_client& s) { s.write(10, "ab").write(12, "cd").write(14, "ef"); }, 1);
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3");
  end_write(c);
  EXPECT_EQ(answers(c), "1 2 3 4");
  EXPECT_EQ(r.tape.data(), "0123456789abcdef");
}

TEST_F(SessionBatch, ExcludesAWriteWithFua) {
  auto& c = connect_and_begin();
  constexpr std::uint16_t fua = 1;
  say(c, [](scripted_client& s) { s.write(10, "a").write(11, "b", fua).write(12, "c"); });
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3 4");
  EXPECT_EQ(count(r, "parts"), 0u);
  EXPECT_EQ(count(r, "flush"), 1u);
  EXPECT_EQ(r.tape.data(), "0123456789abc");
}

TEST_F(SessionBatch, SinkErrorFailsEveryWriteOfTheBatch) {
  auto& c = connect_and_begin();
  r.tape.fail_at = r.tape.calls.size();
  say(c, [](scripted_client& s) { s.write(10, "a").write(11, "b").write(12, "c").flush(); });
  r.settle();
  EXPECT_EQ(answers(c), "1 2:5 3:5 4:5 5:5");
  EXPECT_EQ(r.exported.aborted(), 1u);
}

TEST_F(SessionBatch, RepliesWaitForTheSink) {
  auto& c = connect_and_begin();
  r.tape.hold = "parts";
  say(c, [](scripted_client& s) { s.write(10, "a").write(11, "b"); });
  r.settle();
  EXPECT_TRUE(r.tape.waiting);
  EXPECT_EQ(answers(c), "1");
  r.sink->release();
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3");
}

TEST_F(SessionBatch, ClientLostDuringTheSinkCallAbortsTheStreamOnce) {
  auto& c = connect_and_begin();
  r.tape.hold = "parts";
  say(c, [](scripted_client& s) { s.write(10, "a").write(11, "b"); });
  r.settle();
  hang_up(c);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST_F(SessionBatch, ThousandWritesAreSplitIntoSeveralBatches) {
  auto& c = connect_and_begin();
  constexpr std::uint64_t many = 1000;
  say(c, [](scripted_client& s) {
    for (std::uint64_t i = 0; i < many; ++i) s.write(10 + i, "x");
  });
  r.settle();
  EXPECT_EQ(r.tape.data().size(), 10 + many);
  EXPECT_GE(count(r, "parts"), many / 64);
}

TEST_F(SessionBatch, HeldWritesMakeOneSinkCall) {
  auto& c = connect_and_begin();
  for (std::uint64_t i = 0; i < 20; ++i) write(c, 12 + i, "x");
  EXPECT_EQ(r.tape.data(), "0123456789");
  write(c, 10, "ab");
  EXPECT_EQ(r.tape.data(), "0123456789ab" + std::string(20, 'x'));
  EXPECT_EQ(count(r, "parts"), 1u);
}

class SessionBatchWithSize : public clients_at_work {
 protected:
  SessionBatchWithSize() : clients_at_work(rig::sized(13)) {}
};

// The size is rounded up to 512 for clients; what is beyond 13 must be zero.
TEST_F(SessionBatchWithSize, ExcludesAWriteThatReachesBeyondTheSize) {
  auto& c = connect();
  write(c, 0, "0123456789");
  say(c, [](scripted_client& s) {
    s.write(10, "a").write(11, "b").write(12, std::string("c\0\0", 3)).disc();
  });
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3 4");
  EXPECT_EQ(r.tape.data(), "0123456789abc");
  EXPECT_EQ(count(r, "parts"), 1u);
}

}  // namespace
}  // namespace nbdstream::test
