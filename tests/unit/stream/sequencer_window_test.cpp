// SPDX-License-Identifier: BSD-3-Clause
//
// --order window: what is held in memory, and when there is no room.
#include "sequencer_support.hpp"

namespace nbdstream::stream {
namespace {

TEST(SequencerWindow, ContiguousWritesAreSentAtOnce) {
  sequencer s(in_order(order::window));
  EXPECT_TRUE(s.at_cursor(0, true));
  expect_sent(s.write(0, 10), 0, 10);
  EXPECT_FALSE(s.at_cursor(11, true));
  expect_sent(s.write(10, 10), 0, 10);
  EXPECT_EQ(s.history().ahead, 0u);
}

TEST(SequencerWindow, WritesAheadAreHeldUntilTheGapIsFilledAndThenSorted) {
  sequencer s(in_order(order::window));
  for (const auto block : {3, 1, 4, 2}) {
    hold(s, static_cast<std::uint64_t>(block) * 2, 2, static_cast<char>('0' + block));
  }
  EXPECT_FALSE(s.ready());
  expect_sent(s.write(0, 2), 0, 2);
  EXPECT_EQ(take_all(s), "11223344");
  EXPECT_EQ(s.cursor(), 10u);
  EXPECT_TRUE(s.held().empty());
}

TEST(SequencerWindow, RecordsNumberAndDistanceOfWritesAhead) {
  sequencer s(in_order(order::window));
  expect_sent(s.write(0, 100), 0, 100);
  hold(s, 1100, 10);
  hold(s, 600, 10);
  EXPECT_EQ(s.history().ahead, 2u);
  EXPECT_EQ(s.history().distance, 1000u);
}

TEST(SequencerWindow, LastOfOverlappingWritesWins) {
  sequencer s(in_order(order::window));
  hold(s, 2, 6, 'a');
  hold(s, 4, 2, 'b');
  hold(s, 7, 2, 'c');
  expect_sent(s.write(0, 3), 0, 3);
  EXPECT_EQ(take_all(s), "abbacc");
}

TEST(SequencerWindow, LaterZeroesReplaceHeldData) {
  sequencer s(in_order(order::window));
  hold(s, 2, 6, 'a');
  expect_place(s.write_zeroes(3, 2), place::held_as_zeroes);
  expect_place(s.trim(6, 1), place::held_as_zeroes);
  expect_sent(s.write(0, 2), 0, 2);
  EXPECT_EQ(take_all(s), "a00a0a");
}

TEST(SequencerWindow, LaterDataReplaceHeldZeroes) {
  sequencer s(in_order(order::window));
  expect_place(s.write_zeroes(2, 6), place::held_as_zeroes);
  hold(s, 4, 2, 'a');
  expect_sent(s.write(0, 2), 0, 2);
  EXPECT_EQ(take_all(s), "00aa") << "no data follow the last zeroes yet";
  s.finish(true);
  EXPECT_EQ(take_all(s), "00");
}

TEST(SequencerWindow, WriteAtTheCursorReplacesHeldBytesItCovers) {
  sequencer s(in_order(order::window));
  hold(s, 4, 4, 'a');
  hold(s, 10, 2, 'b');
  expect_sent(s.write(0, 6), 0, 6);
  EXPECT_EQ(take_all(s), "aa");
  expect_sent(s.write(8, 4), 0, 4);
  EXPECT_FALSE(s.ready());
  EXPECT_TRUE(s.held().empty());
}

TEST(SequencerWindow, ReplyIsDelayedBeyondHalfOfTheWindow) {
  sequencer s(with_window(2000));
  const auto half = s.write(100, 1000 - window::overhead);
  expect_place(half, place::memory);
  EXPECT_FALSE(half->answer_later);
  const auto more = s.write(5000, 1);
  expect_place(more, place::memory);
  EXPECT_TRUE(more->answer_later);
}

TEST(SequencerWindow, IsFullIfAPayloadDoesNotFit) {
  sequencer s(with_window(2000));
  expect_place(s.write(100, 2001 - window::overhead), place::full);
  const auto held = s.write(100, 2000 - window::overhead);
  expect_place(held, place::memory);
  expect_place(s.write(9000, 1), place::full);
}

TEST(SequencerWindow, WriteIntoAFullWindowChangesNothing) {
  sequencer s(with_window(100));
  expect_place(s.write(10, 1), place::full);
  EXPECT_TRUE(s.held().empty());
  EXPECT_EQ(s.history().ahead, 0u);
  expect_sent(s.write(0, 10), 0, 10);
  expect_sent(s.write(10, 1), 0, 1);
}

TEST(SequencerWindow, ZeroesFitIntoAFullWindow) {
  sequencer s(with_window(0));
  expect_place(s.write(10, 1), place::full);
  expect_place(s.write_zeroes(20, 64 * kib), place::held_as_zeroes);
  expect_place(s.trim(tib, tib), place::held_as_zeroes);
  EXPECT_EQ(s.held().size(), 2u);
}

TEST(SequencerWindow, SentDataMakeRoom) {
  sequencer s(with_window(500));
  hold(s, 10, 300);
  expect_place(s.write(1000, 300), place::full);
  expect_sent(s.write(0, 10), 0, 10);
  take_all(s);
  expect_place(s.write(1000, 300), place::memory);
}

TEST(SequencerWindow, ZeroesOverHeldDataMakeRoom) {
  sequencer s(with_window(500));
  hold(s, 10, 300);
  expect_place(s.write_zeroes(0, 400), place::held_as_zeroes);
  expect_place(s.write(1000, 300), place::memory);
}

TEST(SequencerWindow, ArrivingPayloadTakesRoom) {
  sequencer s(with_window(500));
  const auto coming = s.write(10, 300);
  expect_place(coming, place::memory);
  expect_place(s.write(1000, 300), place::full);
}

TEST(SequencerWindow, HeldBytesEndAtTheSize) {
  sequencer s(in_order(order::window, 1000));
  const auto held = s.write(900, 124);
  expect_place(held, place::memory);
  EXPECT_EQ(held->payload, 100u);
  EXPECT_EQ(held->excess, 24u);
  EXPECT_EQ(held->block->piece(held->block->offset(), held->block->end()).size(), 100u);
}

TEST(SequencerWindow, WriteBeyondTheSizeIsNotHeld) {
  sequencer s(in_order(order::window, 1000));
  const auto beyond = s.write(1010, 14);
  expect_place(beyond, place::held_as_zeroes);
  EXPECT_EQ(beyond->payload, 0u);
  EXPECT_EQ(beyond->excess, 14u);
  EXPECT_TRUE(s.held().empty());
}

TEST(SequencerWindow, WriteBeyondTheSizeDoesNotSendZeroesBeforeIt) {
  sequencer s(in_order(order::window, 1000));
  expect_place(s.write_zeroes(0, 1000), place::held_as_zeroes);
  expect_place(s.write(1000, 24), place::held_as_zeroes);
  EXPECT_EQ(s.cursor(), 0u);
  expect_sent(s.write(0, 10), 0, 10);
}

TEST(SequencerWindow, RewriteOfSentBytesSuggestsOrderSpool) {
  sequencer s(in_order(order::window));
  expect_sent(s.write(0, 100), 0, 100);
  expect_refused(s.write(40, 8), EINVAL,
                 "8 bytes at 40 lie 60 bytes behind the cursor at 100: bytes that were sent are "
                 "written again, which only --order spool allows");
}

TEST(SequencerWindow, MillionWritesAreHeldAndSorted) {
  sequencer s(with_window(tib));
  constexpr std::uint64_t count = 1'000'000;
  for (std::uint64_t i = count; i > 0; --i) hold(s, i, 1, static_cast<char>('a' + i % 26));
  EXPECT_EQ(s.held().size(), count);
  expect_sent(s.write(0, 1), 0, 1);
  for (std::uint64_t i = 1; i < 1000; ++i) {
    const auto step = s.next();
    ASSERT_TRUE(step);
    EXPECT_EQ(step->held.begin, i);
    EXPECT_EQ(step->held.block->piece(step->held.block->offset(), step->held.block->end())[0],
              static_cast<std::byte>('a' + i % 26));
  }
  EXPECT_EQ(s.held().size(), count - 999);
}

constexpr std::size_t crowd = 1000;

sequencer::limits with_few_extents(order mode) {
  auto limits = with_window(mib, mode);
  limits.extents = crowd;
  return limits;
}

/// Holds as many extents of zeroes, apart, as there may be.
void fill(sequencer& s) {
  for (std::uint64_t i = 0; i < crowd - 1; ++i) {
    const auto kept = s.write_zeroes(100 + i * 2, 1);
    ASSERT_TRUE(kept && kept->where == place::held_as_zeroes);
  }
}
constexpr std::uint64_t far_away = 10'000;

TEST(SequencerWindow, IsFullAtItsLimitOfExtents) {
  sequencer s(with_few_extents(order::window));
  fill(s);
  expect_place(s.write(far_away, 1), place::full);
  expect_place(s.write_zeroes(far_away, 1), place::full);
}

TEST(SequencerWindow, ZeroesAtTheCursorAreSentAtTheLimitOfExtents) {
  sequencer s(with_few_extents(order::window));
  fill(s);
  EXPECT_TRUE(s.at_cursor(0, false));
  expect_sent(s.write_zeroes(0, 1), 1, 0);
  EXPECT_EQ(s.cursor(), 1u);
}

TEST(SequencerWindow, SpoolGivesEnospcAtItsLimitOfExtents) {
  sequencer s(with_few_extents(order::spool));
  fill(s);
  expect_refused(s.write(far_away, 1), ENOSPC);
  expect_refused(s.write_zeroes(far_away, 1), ENOSPC);
}

}  // namespace
}  // namespace nbdstream::stream
