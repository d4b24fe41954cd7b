// SPDX-License-Identifier: BSD-3-Clause
//
// Which requests cover a byte: a WRITE, or a WRITE_ZEROES that no data overwrote later.
#include "sequencer_support.hpp"

namespace nbdstream::stream {
namespace {

constexpr std::uint64_t stream_size = 8 * mib;

sequencer spool_of_8_mib() {
  return sequencer(in_order(order::spool, stream_size));
}

TEST(SequencerCoverage, WriteAndWriteZeroesCoverEveryByte) {
  auto s = spool_of_8_mib();
  hold(s, 0, 3 * mib);
  ASSERT_TRUE(s.write_zeroes(3 * mib, 5 * mib));
  s.finish(true);
  EXPECT_TRUE(s.named().complete());
  EXPECT_FALSE(s.named().zeroes_were_overwritten());
}

TEST(SequencerCoverage, TrimCoversNothing) {
  for (const auto mode : {order::strict, order::window, order::spill, order::spool}) {
    sequencer s(in_order(mode, stream_size));
    ASSERT_TRUE(s.trim(0, stream_size));
    s.finish(true);
    while (s.next()) {
    }
    EXPECT_EQ(s.named().missing_bytes(), stream_size) << static_cast<int>(mode);
  }
}

TEST(SequencerCoverage, TrimOfCoveredBytesLeavesThemCovered) {
  auto s = spool_of_8_mib();
  hold(s, 0, mib);
  ASSERT_TRUE(s.write_zeroes(mib, mib));
  ASSERT_TRUE(s.trim(0, 4 * mib));
  s.finish(true);
  EXPECT_EQ(s.named().missing_bytes(), 6 * mib);
  EXPECT_EQ(s.named().describe(), "6291456 bytes at 2097152");

  auto before = spool_of_8_mib();
  ASSERT_TRUE(before.trim(0, stream_size));
  hold(before, 0, stream_size);
  ASSERT_TRUE(before.trim(0, stream_size));
  before.finish(true);
  EXPECT_TRUE(before.named().complete()) << "the write came after the first trim";
}

TEST(SequencerCoverage, WriteOrWriteZeroesAfterTrimCoverTheBytes) {
  auto s = spool_of_8_mib();
  ASSERT_TRUE(s.trim(0, stream_size));
  hold(s, 2 * mib, mib);
  ASSERT_TRUE(s.write_zeroes(4 * mib, mib));
  s.finish(true);
  EXPECT_EQ(s.named().missing_bytes(), 6 * mib);
  EXPECT_FALSE(s.named().zeroes_were_overwritten()) << "they were not named before";
}

TEST(SequencerCoverage, TrimmedBytesThatTheCursorPassesAreMissing) {
  sequencer s(in_order(order::window, stream_size));
  ASSERT_TRUE(s.trim(0, 2 * mib));
  expect_sent(s.write(2 * mib, mib), 2 * mib, mib);
  EXPECT_EQ(s.named().missing_bytes(), 2 * mib);
}

TEST(SequencerCoverage, DataOverCoveredZeroesAreRecorded) {
  auto s = spool_of_8_mib();
  ASSERT_TRUE(s.write_zeroes(0, stream_size));
  hold(s, 5 * mib, kib);
  hold(s, 3 * mib, kib);
  s.finish(true);
  EXPECT_TRUE(s.named().complete());
  ASSERT_TRUE(s.named().zeroes_were_overwritten());
  EXPECT_EQ(s.named().first_overwritten(), 5 * mib) << "the first that came";
}

TEST(SequencerCoverage, DataOverZeroesAtTheCursorAreRecorded) {
  sequencer s(in_order(order::spill, stream_size));
  ASSERT_TRUE(s.write_zeroes(0, stream_size));
  expect_sent(s.write(2 * mib, mib), 2 * mib, mib);
  ASSERT_TRUE(s.named().zeroes_were_overwritten());
  EXPECT_EQ(s.named().first_overwritten(), 2 * mib);
}

TEST(SequencerCoverage, DataOverZeroesOfTheFirstMibAreNotRecorded) {
  auto s = spool_of_8_mib();
  ASSERT_TRUE(s.write_zeroes(0, mib));
  hold(s, 0, mib);
  EXPECT_FALSE(s.named().zeroes_were_overwritten());
  ASSERT_TRUE(s.write_zeroes(mib, 1));
  hold(s, mib - 1, 2);
  EXPECT_TRUE(s.named().zeroes_were_overwritten());
}

TEST(SequencerCoverage, DataOverDataAreNotRecorded) {
  auto s = spool_of_8_mib();
  hold(s, 2 * mib, mib);
  hold(s, 2 * mib, mib);
  EXPECT_FALSE(s.named().zeroes_were_overwritten());
}

TEST(SequencerCoverage, DataOverZeroesSentDuringArrivalAreRecorded) {
  auto s = spool_of_8_mib();
  const auto data = s.write(2 * mib, mib);
  ASSERT_TRUE(data);
  ASSERT_TRUE(s.write_zeroes(2 * mib, mib));
  s.payload_arrived(*data);
  EXPECT_TRUE(s.named().zeroes_were_overwritten());
}

TEST(SequencerCoverage, UnsizedStreamEndsAtTheHighestCoveredByte) {
  sequencer s(in_order(order::spool));
  hold(s, 0, 10);
  ASSERT_TRUE(s.trim(10, 10));
  ASSERT_TRUE(s.trim(100, 10));
  s.finish(true);
  EXPECT_EQ(s.end_of_named(), 10u);
  EXPECT_TRUE(s.named().complete());

  sequencer gap(in_order(order::spool));
  ASSERT_TRUE(gap.trim(0, 100));
  ASSERT_TRUE(gap.write_zeroes(50, 10));
  gap.finish(true);
  EXPECT_EQ(gap.end_of_named(), 60u);
  EXPECT_EQ(gap.named().missing_bytes(), 50u);

  sequencer nothing(in_order(order::spool));
  ASSERT_TRUE(nothing.trim(0, 100));
  nothing.finish(true);
  EXPECT_EQ(nothing.end_of_named(), 0u);
}

TEST(SequencerCoverage, RequestBeyondTheSizeCoversNothing) {
  for (const auto mode : {order::strict, order::window, order::spill, order::spool}) {
    sequencer s(in_order(mode, 1000));
    ASSERT_TRUE(s.write(1000, 24));
    ASSERT_TRUE(s.write_zeroes(1000, 24));
    EXPECT_FALSE(s.named().any()) << static_cast<int>(mode);
    sequencer across(in_order(mode, 1000));
    ASSERT_TRUE(across.write(999, 25));
    EXPECT_TRUE(across.named().any()) << static_cast<int>(mode);
  }
}

TEST(SequencerCoverage, TrimmedPiecesCountAsExtents) {
  auto limits = in_order(order::window, stream_size);
  limits.extents = 100;
  sequencer s(limits);
  ASSERT_TRUE(s.trim(mib, 6 * mib));
  bool full = false;
  for (std::uint64_t at = mib; at < 7 * mib && !full; at += 8 * kib) {
    const auto r = s.write_zeroes(at, 4 * kib);
    ASSERT_TRUE(r);
    full = r->where == place::full;
  }
  EXPECT_TRUE(full);
}

TEST(SequencerCoverage, ZeroesOfTheFirstMibCountIfTheirRequestIsLonger) {
  auto s = spool_of_8_mib();
  ASSERT_TRUE(s.write_zeroes(4096, stream_size - 4096));
  hold(s, 0, 4096);
  EXPECT_FALSE(s.named().zeroes_were_overwritten());
  hold(s, 512 * kib, 4096);
  ASSERT_TRUE(s.named().zeroes_were_overwritten()) << "a client that zeroes the disk may stop here";
  EXPECT_EQ(s.named().first_overwritten(), 512 * kib);
}

}  // namespace
}  // namespace nbdstream::stream
