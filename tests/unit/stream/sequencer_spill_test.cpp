// SPDX-License-Identifier: BSD-3-Clause
//
// --order spill and spool: what goes to the spill file.
#include "sequencer_support.hpp"

namespace nbdstream::stream {
namespace {

constexpr std::uint64_t page = 4096;

sequencer::limits spilling(std::uint64_t window, std::uint64_t limit = ~std::uint64_t{0}) {
  auto l = with_window(window, order::spill);
  l.spill = limit;
  return l;
}
sequencer::limits spooling(std::uint64_t limit = ~std::uint64_t{0}) {
  auto l = in_order(order::spool);
  l.spill = limit;
  return l;
}

TEST(SequencerSpill, UsesMemoryBeforeTheFile) {
  sequencer s(spilling(500));
  const auto first = s.write(10, 300);
  expect_place(first, place::memory);
  expect_place(s.write(1000, 300), place::spill);
}

TEST(SequencerSpill, NeverDelaysReplies) {
  sequencer s(spilling(500));
  const auto in_memory = s.write(10, 300);
  EXPECT_FALSE(in_memory->answer_later);
  const auto spilled = s.write(1000, 300);
  EXPECT_FALSE(spilled->answer_later);
}

TEST(SequencerSpill, SendsMemoryAndFileInOrder) {
  sequencer s(spilling(250));
  hold(s, 2, 20, 'm');
  hold(s, 22, 60);
  expect_sent(s.write(0, 2), 0, 2);
  EXPECT_EQ(take_all(s), std::string(20, 'm') + std::string(60, 's'));
}

TEST(SequencerSpill, LongExtentIsSentInPieces) {
  sequencer s(spilling(0));
  hold(s, 1, 2 * sequencer::max_spill_step + 5);
  expect_sent(s.write(0, 1), 0, 1);
  const auto first = s.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->held.end - first->held.begin, sequencer::max_spill_step);
  ASSERT_TRUE(s.next());
  const auto last = s.next();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->held.end - last->held.begin, 5u);
  EXPECT_FALSE(s.next());
}

TEST(SequencerSpill, WriteBeyondItsLimitGivesEnospc) {
  sequencer s(spilling(0, 2 * page));
  hold(s, 10, 60);
  expect_refused(s.write(page, page + 1), ENOSPC,
                 "4097 bytes at 4096 do not fit: 4096 bytes are in use in the spill file, and "
                 "--spill-limit is 8192");
  expect_place(s.write(page, page), place::spill);
}

TEST(SequencerSpill, ArrivingPayloadCountsTowardsTheLimit) {
  sequencer s(spilling(0, 2 * page));
  const auto coming = s.write(10, 60);
  expect_place(coming, place::spill);
  expect_refused(s.write(page, page + 1), ENOSPC);
  s.payload_arrived(*coming);
  expect_refused(s.write(page, page + 1), ENOSPC);
  expect_place(s.write(page, page), place::spill);
}

TEST(SequencerSpill, RewriteNeedsNoSpace) {
  sequencer s(spooling(page));
  hold(s, 0, page);
  hold(s, 10, 100);
  EXPECT_EQ(s.history().spilled, page);
}

TEST(SequencerSpill, SentBytesFreeSpace) {
  sequencer s(spilling(0, page));
  hold(s, 10, 100);
  expect_refused(s.write(1000, 1), ENOSPC);
  expect_sent(s.write(0, 10), 0, 10);
  take_all(s);
  expect_place(s.write(1000, 100), place::spill);
}

TEST(SequencerSpill, ZeroesOverSpilledBytesFreeSpace) {
  sequencer s(spilling(0, 2 * page));
  hold(s, page, 2 * page);
  expect_refused(s.write(9 * page, 1), ENOSPC);
  const auto zeroes = s.write_zeroes(page, page);
  expect_place(zeroes, place::held_as_zeroes);
  EXPECT_TRUE(zeroes->replaces_spill);
  expect_place(s.write(9 * page, 1), place::spill);
}

TEST(SequencerSpill, ZeroesBesideSpilledBytesReplaceNothing) {
  sequencer s(spilling(0));
  hold(s, 10, 100);
  const auto zeroes = s.write_zeroes(110, 30);
  expect_place(zeroes, place::held_as_zeroes);
  EXPECT_FALSE(zeroes->replaces_spill);
}

TEST(SequencerSpill, RecordsThePeakOfSpilledBytes) {
  sequencer s(spilling(0));
  hold(s, 10, 100);
  expect_sent(s.write(0, 10), 0, 10);
  take_all(s);
  hold(s, 1000, 40);
  EXPECT_EQ(s.history().spilled, page);
}

TEST(SequencerSpool, SendsNothingBeforeTheEnd) {
  sequencer s(spooling());
  EXPECT_FALSE(s.at_cursor(0, true));
  hold(s, 0, 10);
  expect_place(s.write_zeroes(10, 10), place::held_as_zeroes);
  hold(s, 20, 10);
  EXPECT_FALSE(s.ready());
  EXPECT_FALSE(s.waits_for_gap());
  s.finish(true);
  EXPECT_EQ(take_all(s), std::string(10, 's') + std::string(10, '0') + std::string(10, 's'));
}

TEST(SequencerSpool, AnyByteCanBeRewritten) {
  sequencer s(spooling());
  hold(s, 0, 100);
  hold(s, 0, 100);
  hold(s, 50, 10);
  expect_place(s.write_zeroes(0, 20), place::held_as_zeroes);
  hold(s, 5, 10);
  s.finish(true);
  EXPECT_EQ(take_all(s), "00000" + std::string(10, 's') + "00000" + std::string(80, 's'));
}

TEST(SequencerSpool, UsesNoMemory) {
  sequencer s(spooling());
  expect_place(s.write(0, 10), place::spill);
  EXPECT_EQ(s.memory().peak(), 0u);
}

}  // namespace
}  // namespace nbdstream::stream
