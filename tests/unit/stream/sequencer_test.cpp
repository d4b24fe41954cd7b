// SPDX-License-Identifier: BSD-3-Clause
//
// --order strict, and what holds in every order.
#include "sequencer_support.hpp"

namespace nbdstream::stream {
namespace {

sequencer::limits unsized(std::uint64_t max_stream = 64 * tib) {
  auto l = in_order(order::strict);
  l.max_stream = max_stream;
  return l;
}
sequencer::limits sized(std::uint64_t size) {
  return in_order(order::strict, size);
}

/// Ends it; returns how many zeroes are left to be sent.
std::uint64_t finish(sequencer& s, bool pad) {
  s.finish(pad);
  const auto left = take_all(s);
  EXPECT_EQ(left, std::string(left.size(), '0'));
  return left.size();
}

TEST(Sequencer, SendsContiguousRequestsAtTheCursor) {
  sequencer s(unsized());
  expect_sent(s.write(0, 10), 0, 10);
  expect_sent(s.write(10, 5), 0, 5);
  expect_sent(s.write_zeroes(15, 7), 7, 0);
  expect_sent(s.trim(22, 3), 3, 0);
  EXPECT_EQ(s.cursor(), 25u);
  EXPECT_EQ(finish(s, true), 0u);
  EXPECT_EQ(s.named().missing_bytes(), 3u) << "TRIM names nothing";
}

TEST(Sequencer, AnyOffsetIsAtTheCursorInStrictOrder) {
  sequencer s(unsized());
  for (const bool payload : {true, false}) {
    EXPECT_TRUE(s.at_cursor(0, payload));
    EXPECT_TRUE(s.at_cursor(1000, payload));
  }
}

TEST(Sequencer, GapIsZeroFilledAndCountsAsMissing) {
  sequencer s(unsized());
  expect_sent(s.write(100, 10), 100, 10);
  expect_sent(s.write_zeroes(200, 10), 100, 0);
  expect_sent(s.trim(220, 10), 20, 0);
  EXPECT_EQ(s.named().missing_bytes(), 100u + 90 + 20);
  EXPECT_FALSE(s.named().complete());
}

TEST(Sequencer, StrictOrderHoldsNothing) {
  sequencer s(unsized());
  ASSERT_TRUE(s.write(100, 10));
  ASSERT_TRUE(s.write_zeroes(200, 10));
  EXPECT_TRUE(s.held().empty());
  EXPECT_FALSE(s.ready());
  EXPECT_FALSE(s.waits_for_gap());
  EXPECT_EQ(s.history().ahead, 0u);
}

TEST(Sequencer, WriteBehindTheCursorGivesEinval) {
  sequencer s(unsized());
  ASSERT_TRUE(s.write(0, 100));
  expect_refused(s.write(0, 1), EINVAL);
  expect_refused(s.write(99, 1), EINVAL);
  expect_refused(s.write(99, 10), EINVAL);
  expect_refused(s.write_zeroes(50, 100), EINVAL);
  EXPECT_EQ(s.cursor(), 100u) << "a refusal moves nothing";
}

TEST(Sequencer, LateWriteErrorNamesDistanceAndSuitableOrder) {
  sequencer s(unsized());
  ASSERT_TRUE(s.write(0, 100 * mib));
  const auto refused = s.write(40 * mib, 8);
  expect_refused(refused, EINVAL, "8 bytes at 41943040 lie 62914560 bytes behind the cursor");
  expect_refused(refused, EINVAL, "at 104857600: ");
  expect_refused(refused, EINVAL, "--order spill");
  expect_refused(refused, EINVAL, "--order window (with --window 125829120 or more)");
}

TEST(Sequencer, TrimBehindTheCursorIsIgnored) {
  sequencer s(unsized());
  ASSERT_TRUE(s.write(0, 100));
  expect_place(s.trim(0, 100), place::held_as_zeroes);
  expect_place(s.trim(50, 10), place::held_as_zeroes);
  expect_place(s.trim(99, 1), place::held_as_zeroes);
  EXPECT_EQ(s.cursor(), 100u);
  expect_sent(s.trim(90, 30), 20, 0);
  EXPECT_EQ(s.cursor(), 120u);
  EXPECT_EQ(s.named().missing_bytes(), 20u);
}

TEST(Sequencer, EmptyStreamIsPaddedInOneStep) {
  sequencer s(sized(40 * tib));
  s.finish(true);
  const auto step = s.next();
  ASSERT_TRUE(step);
  EXPECT_EQ(step->zeroes, 40 * tib);
  EXPECT_FALSE(s.next());
  EXPECT_EQ(s.named().missing_bytes(), 40 * tib);
}

TEST(Sequencer, SizeZeroNeedsNoPadding) {
  sequencer s(sized(0));
  EXPECT_EQ(finish(s, true), 0u);
  EXPECT_TRUE(s.named().complete());
}

TEST(Sequencer, BytesBeyondTheSizeAreExcess) {
  sequencer inside(sized(1000));
  expect_sent(inside.write(512, 512), 512, 488, 24);
  EXPECT_EQ(inside.cursor(), 1000u);
  expect_sent(inside.write(1000, 24), 0, 0, 24);
  expect_sent(inside.write(1010, 14), 0, 0, 14);
  expect_sent(inside.write_zeroes(1000, 24), 0, 0);
  expect_sent(inside.trim(900, 124), 0, 0);
  EXPECT_EQ(inside.cursor(), 1000u);
}

TEST(Sequencer, WriteBeyondTheSizeZeroFillsTheGapUpToTheSize) {
  sequencer beyond(sized(1000));
  expect_sent(beyond.write(1010, 14), 1000, 0, 14);
  EXPECT_EQ(beyond.named().missing_bytes(), 1000u);
  sequencer zeroes(sized(1000));
  expect_sent(zeroes.write_zeroes(512, 512), 1000, 0);
  EXPECT_EQ(zeroes.named().missing_bytes(), 512u);
}

TEST(Sequencer, RequestBeyondMaxStreamGivesEnospcInAnyOrder) {
  for (const auto mode : {order::strict, order::window, order::spill, order::spool}) {
    auto l = in_order(mode);
    l.max_stream = 1000;
    sequencer s(l);
    expect_refused(s.write(0, 1001), ENOSPC, "--max-stream 1000");
    expect_refused(s.write_zeroes(1'000'000, 1), ENOSPC);
    expect_refused(s.trim(999, 2), ENOSPC);
    EXPECT_EQ(s.cursor(), 0u);
    EXPECT_TRUE(s.held().empty());
    EXPECT_TRUE(s.write(999, 1));
  }
}

TEST(Sequencer, LargestExportDoesNotOverflow) {
  constexpr std::uint64_t end = (std::uint64_t{1} << 63) - (std::uint64_t{1} << 30);
  sequencer s(unsized());
  expect_refused(s.write(end - 1, 1), ENOSPC);
  sequencer open_end(unsized(end));
  expect_sent(open_end.write(end - 1, 1), end - 1, 1);
  EXPECT_EQ(open_end.cursor(), end);
  constexpr std::uint64_t largest = (std::uint64_t{1} << 63) - 1;
  sequencer t(sized(largest));
  expect_sent(t.write(largest, 1), largest, 0, 1);
  EXPECT_EQ(finish(t, true), 0u);
}

TEST(Sequencer, WriteAtTheEndOfTheLargestExportIsHeld) {
  constexpr std::uint64_t end = (std::uint64_t{1} << 63) - (std::uint64_t{1} << 30);
  for (const auto mode : {order::window, order::spill, order::spool}) {
    auto l = in_order(mode);
    l.max_stream = end;
    sequencer s(l);
    hold(s, end - 10, 10);
    expect_refused(s.write(end - 1, 2), ENOSPC);
    s.finish(true);
    const auto zeroes = s.next();
    ASSERT_TRUE(zeroes);
    EXPECT_EQ(zeroes->zeroes, end - 10);
    const auto data = s.next();
    ASSERT_TRUE(data);
    EXPECT_EQ(data->held.end, end);
    EXPECT_EQ(s.named().missing_bytes(), end - 10);
  }
}

}  // namespace
}  // namespace nbdstream::stream
