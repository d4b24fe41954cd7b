// SPDX-License-Identifier: BSD-3-Clause
//
// What is held, out: lazy zeroes, barriers, gaps that are given up, the end.
#include "sequencer_support.hpp"

namespace nbdstream::stream {
namespace {

TEST(SequencerZeroes, AreNotSentBeforeDataFollow) {
  sequencer s(in_order(order::window));
  expect_place(s.write_zeroes(0, 100), place::held_as_zeroes);
  EXPECT_FALSE(s.ready());
  expect_sent(s.write(100, 10), 100, 10);
  EXPECT_EQ(s.cursor(), 110u);
}

TEST(SequencerZeroes, UnsentZeroesCanBeOverwritten) {
  sequencer s(in_order(order::window));
  expect_place(s.write_zeroes(0, 100 * tib / 2), place::held_as_zeroes);
  expect_sent(s.write(0, 10), 0, 10);
  expect_sent(s.write(10, 10), 0, 10);
  expect_sent(s.write(30, 10), 10, 10);
  EXPECT_EQ(s.cursor(), 40u);
  EXPECT_EQ(s.held().size(), 1u);
}

TEST(SequencerZeroes, PrecedeTheFollowingDataInOneStep) {
  sequencer s(in_order(order::window));
  hold(s, 50 * tib, 3, 'a');
  expect_place(s.write_zeroes(0, 50 * tib), place::held_as_zeroes);
  const auto zeroes = s.next();
  ASSERT_TRUE(zeroes);
  EXPECT_EQ(zeroes->zeroes, 50 * tib);
  EXPECT_EQ(take_all(s), "aaa");
}

TEST(SequencerZeroes, DoNotBridgeAGap) {
  sequencer s(in_order(order::window));
  expect_place(s.write_zeroes(0, 10), place::held_as_zeroes);
  hold(s, 11, 3, 'a');
  EXPECT_FALSE(s.ready());
  EXPECT_TRUE(s.waits_for_gap());
}

TEST(SequencerZeroes, AreAPrefixOnlyOfAnAdjacentWrite) {
  sequencer s(in_order(order::window));
  expect_place(s.write_zeroes(0, 10), place::held_as_zeroes);
  EXPECT_TRUE(s.at_cursor(10, true));
  EXPECT_FALSE(s.at_cursor(11, true));
}

TEST(SequencerZeroes, WholeDiskTakesOneExtent) {
  sequencer s(in_order(order::spill, 64 * tib));
  expect_place(s.write_zeroes(0, 64 * tib), place::held_as_zeroes);
  for (std::uint64_t at = 0; at < 1000; ++at) expect_sent(s.write(at * kib, kib), 0, kib);
  EXPECT_EQ(s.held().size(), 1u);
  s.finish(true);
  const auto rest = s.next();
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->zeroes, 64 * tib - 1000 * kib);
  EXPECT_TRUE(s.named().complete());
}

TEST(SequencerTrim, IsHeldAsZeroesAheadOfTheCursorAndIgnoredBehindIt) {
  sequencer s(in_order(order::window));
  expect_sent(s.write(0, 100), 0, 100);
  expect_place(s.trim(0, 100), place::held_as_zeroes);
  EXPECT_TRUE(s.held().empty());
  expect_place(s.trim(50, 100), place::held_as_zeroes);
  ASSERT_TRUE(s.held().first());
  EXPECT_EQ(s.held().first()->begin, 100u);
  EXPECT_EQ(s.held().end(), 150u);
}

TEST(SequencerPending, CursorDoesNotPassAPendingRequest) {
  sequencer s(in_order(order::window));
  hold(s, 5, 10, 'a');
  auto coming = s.await(8);
  expect_sent(s.write(0, 5), 0, 5);
  EXPECT_EQ(take_all(s), "aaa");
  EXPECT_FALSE(s.waits_for_gap()) << "it is under way";
  coming.end();
  EXPECT_EQ(take_all(s), "aaaaaaa");
}

TEST(SequencerPending, TwoPendingRequestsAtOneOffsetAreCounted) {
  sequencer s(in_order(order::window));
  hold(s, 5, 10, 'a');
  auto one = s.await(5);
  auto other = s.await(5);
  expect_sent(s.write(0, 5), 0, 5);
  one.end();
  EXPECT_FALSE(s.ready());
  other.end();
  EXPECT_TRUE(s.ready());
}

TEST(SequencerPending, EndsWithItsScopeOrByAssignment) {
  sequencer s(in_order(order::window));
  hold(s, 5, 10, 'a');
  expect_sent(s.write(0, 5), 0, 5);
  {
    const auto scoped = s.await(0);
    EXPECT_FALSE(s.ready());
  }
  EXPECT_TRUE(s.ready());
  auto held = s.await(0);
  held = s.await(6);
  EXPECT_TRUE(s.ready());
  const auto moved = std::move(held);
  EXPECT_EQ(take_all(s), "a");
}

TEST(SequencerPending, WriteBeyondAPendingRequestIsNotAtTheCursor) {
  sequencer s(in_order(order::window));
  expect_place(s.write_zeroes(0, 100), place::held_as_zeroes);
  const auto coming = s.await(50);
  EXPECT_TRUE(s.at_cursor(50, true));
  EXPECT_FALSE(s.at_cursor(60, true));
}

TEST(SequencerPending, BytesThatTheCursorPassedAreDroppedOnArrival) {
  sequencer s(in_order(order::window));
  const auto coming = s.write(10, 10);
  expect_place(coming, place::memory);
  expect_sent(s.write(0, 15), 0, 15);
  for (auto& b : coming->block->piece(coming->block->offset(), coming->block->end()))
    b = std::byte{'b'};
  s.payload_arrived(*coming);
  EXPECT_EQ(take_all(s), "bbbbb");
}

TEST(SequencerGap, ClosedGapCountsAsMissing) {
  sequencer s(in_order(order::window));
  expect_sent(s.write(0, 5), 0, 5);
  hold(s, 12, 3, 'a');
  EXPECT_TRUE(s.waits_for_gap());
  EXPECT_EQ(s.close_gap(), 7u);
  EXPECT_EQ(s.named().missing_bytes(), 7u);
  EXPECT_EQ(take_all(s), "aaa");
}

TEST(SequencerGap, ZeroesInsideAClosedGapAreNotMissing) {
  sequencer s(in_order(order::window));
  expect_place(s.write_zeroes(5, 10), place::held_as_zeroes);
  hold(s, 20, 3, 'a');
  EXPECT_EQ(s.close_gap(), 20u);
  EXPECT_EQ(s.named().describe(), "5 bytes at 0 and 5 bytes at 15");
}

TEST(SequencerGap, ClosesUpToAWaitingRequest) {
  sequencer s(with_window(0));
  expect_place(s.write(10, 1), place::full);
  const auto waiting = s.await(10);
  EXPECT_TRUE(s.waits_for_gap());
  EXPECT_EQ(s.close_gap(), 10u);
  EXPECT_TRUE(s.at_cursor(10, true));
}

TEST(SequencerGap, DoesNotExistUnlessDataWaitForIt) {
  sequencer s(in_order(order::window));
  EXPECT_FALSE(s.waits_for_gap());
  EXPECT_EQ(s.close_gap(), 0u);
  expect_place(s.write_zeroes(10, 10), place::held_as_zeroes);
  EXPECT_FALSE(s.waits_for_gap()) << "zeroes need not be sent";
  expect_sent(s.write(0, 1), 0, 1);
  EXPECT_EQ(s.close_gap(), 0u);
  EXPECT_EQ(s.cursor(), 1u);
}

TEST(SequencerGap, DoesNotExistIfZeroesReachThePendingRequest) {
  sequencer s(in_order(order::window));
  auto coming = s.await(0);
  EXPECT_FALSE(s.waits_for_gap());
  expect_place(s.write_zeroes(0, 10), place::held_as_zeroes);
  coming = s.await(10);
  EXPECT_FALSE(s.waits_for_gap());
  coming = s.await(11);
  EXPECT_TRUE(s.waits_for_gap());
}

TEST(SequencerGap, LateWriteIntoAClosedGapIsRefusedWithAdvice) {
  sequencer s(with_window(4096));
  hold(s, 100, 10);
  EXPECT_EQ(s.close_gap(), 100u);
  expect_refused(s.write(40, 8), EINVAL, "sent as zeroes; --order spill waits for it, as does");
  expect_refused(s.write(40, 8), EINVAL, "a --window larger than 4096 or a longer --stall");
}

TEST(SequencerEnd, SendsHeldExtentsWithGapsAsZeroes) {
  sequencer s(in_order(order::window));
  hold(s, 3, 2, 'a');
  expect_place(s.write_zeroes(7, 2), place::held_as_zeroes);
  s.finish(true);
  EXPECT_EQ(take_all(s), "000aa0000");
  EXPECT_EQ(s.named().describe(), "3 bytes at 0 and 2 bytes at 5");
}

TEST(SequencerEnd, TailIsMissingWithAndWithoutPadding) {
  for (const bool pad : {true, false}) {
    sequencer s(in_order(order::window, 20));
    hold(s, 3, 2, 'a');
    s.finish(pad);
    EXPECT_EQ(take_all(s), pad ? "000aa" + std::string(15, '0') : "000aa");
    EXPECT_EQ(s.named().missing_bytes(), 3u + 15);

    sequencer strict(in_order(order::strict, 20));
    expect_sent(strict.write(0, 5), 0, 5);
    strict.finish(pad);
    EXPECT_EQ(take_all(strict), std::string(pad ? 15 : 0, '0'));
    EXPECT_EQ(strict.cursor(), pad ? 20u : 5u);
    EXPECT_EQ(strict.named().missing_bytes(), 15u);
  }
}

TEST(SequencerEnd, SizeNeedNotBeAMultipleOfASector) {
  sequencer s(in_order(order::spill, 1000));
  expect_place(s.write_zeroes(512, 512), place::held_as_zeroes);
  expect_sent(s.write(0, 512), 0, 512);
  s.finish(true);
  EXPECT_EQ(take_all(s).size(), 488u);
  EXPECT_TRUE(s.named().complete());
}

TEST(SequencerEnd, DropFreesEverythingHeld) {
  sequencer s(with_window(1000));
  hold(s, 10, 800);
  s.drop();
  EXPECT_TRUE(s.held().empty());
  EXPECT_TRUE(s.memory().fits(800));
}

}  // namespace
}  // namespace nbdstream::stream
