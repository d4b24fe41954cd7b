// SPDX-License-Identifier: BSD-3-Clause
//
// order::any: each request is sent as it comes.
#include "sequencer_support.hpp"

namespace nbdstream::stream {
namespace {

sequencer any_order(bool gaps_are_zeroes = true) {
  auto l = in_order(order::any, 1000);
  l.gaps_are_zeroes = gaps_are_zeroes;
  return sequencer(l);
}

/// The gaps that are sent at the end, as "begin-end ".
std::string gaps_of(sequencer& s) {
  std::string out;
  while (const auto step = s.next()) {
    out += std::to_string(step->zeroes_begin) + "-" +
           std::to_string(step->zeroes_begin + step->zeroes) + " ";
  }
  return out;
}

TEST(SequencerAny, WritesAreSentInOrderOfArrival) {
  auto s = any_order();
  for (const auto offset : {900u, 0u, 500u, 400u}) {
    EXPECT_TRUE(s.at_cursor(offset, true));
    const auto r = s.write(offset, 100);
    expect_sent(r, 0, 100);
    EXPECT_EQ(r->begin, offset);
  }
  EXPECT_EQ(s.cursor(), 0u);
}

TEST(SequencerAny, RewrittenBytesAreSentAgain) {
  auto s = any_order();
  expect_sent(s.write(100, 100), 0, 100);
  expect_sent(s.write(150, 100), 0, 100);
  s.finish(true);
  EXPECT_EQ(s.named().named_bytes(), 150u);
}

TEST(SequencerAny, ZeroesAndTrimsAreSentWithTheirOffset) {
  auto s = any_order();
  const auto zeroes = s.write_zeroes(300, 100);
  expect_sent(zeroes, 100, 0);
  EXPECT_EQ(zeroes->zeroes_begin, 300u);
  const auto trim = s.trim(700, 50);
  expect_sent(trim, 50, 0);
  EXPECT_EQ(trim->zeroes_begin, 700u);
}

TEST(SequencerAny, GapsAreSentAsZeroesAtTheEndOfAFullStream) {
  auto s = any_order();
  (void)s.write(100, 100);
  (void)s.write_zeroes(200, 100);
  (void)s.write(900, 50);
  EXPECT_FALSE(s.ready());
  s.finish(true);
  EXPECT_EQ(gaps_of(s), "0-100 300-900 950-1000 ");
  EXPECT_EQ(s.named().missing_bytes(), 750u);
}

TEST(SequencerAny, GapsAreNotSentInAnIncrementalStream) {
  auto s = any_order(false);
  (void)s.write(100, 100);
  s.finish(true);
  EXPECT_EQ(gaps_of(s), "");
  EXPECT_EQ(s.named().named_bytes(), 100u);
}

TEST(SequencerAny, StreamOfEveryByteHasNoGaps) {
  auto s = any_order();
  (void)s.write(500, 500);
  (void)s.write(0, 500);
  s.finish(true);
  EXPECT_EQ(gaps_of(s), "");
  EXPECT_TRUE(s.named().complete());
}

TEST(SequencerAny, TrimCoversNothingAndUncoversNothing) {
  auto s = any_order();
  (void)s.write(0, 100);
  (void)s.trim(0, 200);
  s.finish(true);
  EXPECT_EQ(s.named().named_bytes(), 100u);
  EXPECT_EQ(gaps_of(s), "200-1000 ") << "what was trimmed was sent as zeroes";
}

TEST(SequencerAny, DataOverCoveredZeroesAreRecorded) {
  auto l = in_order(order::any, 4 * mib);
  sequencer s(l);
  (void)s.write_zeroes(0, mib);
  (void)s.write_zeroes(mib, 3 * mib);
  (void)s.write(0, 512);
  EXPECT_FALSE(s.named().zeroes_were_overwritten()) << "qemu-img writes the first MiB again";
  (void)s.write(3 * mib, 512);
  ASSERT_TRUE(s.named().zeroes_were_overwritten());
  EXPECT_EQ(s.named().first_overwritten(), 3 * mib);
}

TEST(SequencerAny, DataOverDataAreNotRecorded) {
  auto s = sequencer(in_order(order::any, 4 * mib));
  (void)s.write(0, 4 * mib);
  (void)s.write(2 * mib, 512);
  EXPECT_FALSE(s.named().zeroes_were_overwritten());
}

TEST(SequencerAny, WriteBeyondTheSizeIsExcess) {
  auto s = any_order();
  expect_sent(s.write(900, 200), 0, 100, 100);
}

TEST(SequencerAny, MoreExtentsThanItsLimitAreRefused) {
  auto l = in_order(order::any, tib);
  l.extents = 8;
  sequencer s(l);
  for (unsigned i = 0; i < 7; ++i) expect_sent(s.write(i * mib, 512), 0, 512);
  expect_refused(s.write(9 * mib, 512), ENOSPC, "separate extents are written");
  expect_refused(s.write_zeroes(9 * mib, 512), ENOSPC);
}

}  // namespace
}  // namespace nbdstream::stream
