// SPDX-License-Identifier: BSD-3-Clause
#include "stream/sequencer.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace nbdstream::stream {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t tib = kib * kib * kib * kib;

sequencer unsized(std::uint64_t max_stream = 64 * tib) {
  return sequencer({std::nullopt, max_stream});
}
sequencer sized(std::uint64_t size) {
  return sequencer({size, 64 * tib});
}

void expect_placed(const result<placement>& r, std::uint64_t zeroes, std::uint64_t payload,
                   std::uint64_t excess = 0) {
  ASSERT_TRUE(r) << r.error().why;
  EXPECT_EQ(r->zeroes, zeroes);
  EXPECT_EQ(r->payload, payload);
  EXPECT_EQ(r->excess, excess);
}

void expect_refused(const result<placement>& r, int error_number) {
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().error_number, error_number);
  EXPECT_FALSE(r.error().why.empty());
}

TEST(Sequencer, PutsWhatIsNextAtTheCursor) {
  auto s = unsized();
  expect_placed(s.write(0, 10), 0, 10);
  expect_placed(s.write(10, 5), 0, 5);
  expect_placed(s.write_zeroes(15, 7), 7, 0);
  expect_placed(s.trim(22, 3), 3, 0);
  EXPECT_EQ(s.cursor(), 25u);
  EXPECT_EQ(s.finish(true), 0u);
  EXPECT_TRUE(s.unnamed().complete());
}

TEST(Sequencer, FillsAGapWithZeroesAndRemembersIt) {
  auto s = unsized();
  expect_placed(s.write(100, 10), 100, 10);
  expect_placed(s.write_zeroes(200, 10), 100, 0);
  expect_placed(s.trim(220, 10), 20, 0);
  EXPECT_EQ(s.unnamed().missing_bytes(), 100u + 90 + 10);
  EXPECT_FALSE(s.unnamed().complete());
}

TEST(Sequencer, RefusesWhatLiesBehindTheCursor) {
  auto s = unsized();
  ASSERT_TRUE(s.write(0, 100));
  expect_refused(s.write(0, 1), EINVAL);
  expect_refused(s.write(99, 1), EINVAL);
  expect_refused(s.write(99, 10), EINVAL);
  expect_refused(s.write_zeroes(50, 100), EINVAL);
  EXPECT_EQ(s.cursor(), 100u) << "a refusal moves nothing";
  const auto refused = s.write(40, 8);
  EXPECT_NE(refused.error().why.find("40"), std::string::npos) << "the offset";
  EXPECT_NE(refused.error().why.find("100"), std::string::npos) << "the cursor";
  EXPECT_NE(refused.error().why.find("--order"), std::string::npos) << "what to do";
}

TEST(Sequencer, IgnoresATrimThatComesTooLate) {
  auto s = unsized();
  ASSERT_TRUE(s.write(0, 100));
  expect_placed(s.trim(0, 100), 0, 0);
  expect_placed(s.trim(50, 10), 0, 0);
  expect_placed(s.trim(99, 1), 0, 0);
  EXPECT_EQ(s.cursor(), 100u);
  expect_placed(s.trim(90, 30), 20, 0);
  EXPECT_EQ(s.cursor(), 120u);
  EXPECT_TRUE(s.unnamed().complete());
}

TEST(Sequencer, PadsToTheSize) {
  auto s = sized(1000);
  ASSERT_TRUE(s.write(0, 400));
  EXPECT_EQ(s.finish(true), 600u);
  EXPECT_EQ(s.cursor(), 1000u);
  EXPECT_EQ(s.unnamed().missing_bytes(), 600u);
}

TEST(Sequencer, DoesNotPadIfToldSoButStillMissesTheTail) {
  auto s = sized(1000);
  ASSERT_TRUE(s.write(0, 400));
  EXPECT_EQ(s.finish(false), 0u);
  EXPECT_EQ(s.cursor(), 400u);
  EXPECT_EQ(s.unnamed().missing_bytes(), 600u);
}

TEST(Sequencer, PadsAStreamThatNobodyWrote) {
  auto s = sized(40 * tib);
  EXPECT_EQ(s.finish(true), 40 * tib);
  EXPECT_EQ(s.unnamed().missing_bytes(), 40 * tib);
  auto empty = sized(0);
  EXPECT_EQ(empty.finish(true), 0u);
  EXPECT_TRUE(empty.unnamed().complete());
}

TEST(Sequencer, EndsAtTheHighestByteNamedWhereTheSizeIsUnknown) {
  auto s = unsized();
  ASSERT_TRUE(s.write(0, 400));
  EXPECT_EQ(s.finish(true), 0u);
  EXPECT_EQ(s.cursor(), 400u);
}

TEST(Sequencer, CutsOffWhatLiesBeyondTheSize) {
  auto inside = sized(1000);
  expect_placed(inside.write(512, 512), 512, 488, 24);
  EXPECT_EQ(inside.cursor(), 1000u);
  expect_placed(inside.write(1000, 24), 0, 0, 24);
  expect_placed(inside.write(1010, 14), 0, 0, 14);
  expect_placed(inside.write_zeroes(1000, 24), 0, 0);
  expect_placed(inside.trim(900, 124), 0, 0);
  EXPECT_EQ(inside.cursor(), 1000u);

  auto beyond = sized(1000);
  expect_placed(beyond.write(1010, 14), 1000, 0, 14);
  EXPECT_EQ(beyond.unnamed().missing_bytes(), 1000u);
  auto zeroes = sized(1000);
  expect_placed(zeroes.write_zeroes(512, 512), 1000, 0);
  EXPECT_EQ(zeroes.unnamed().missing_bytes(), 512u);
}

TEST(Sequencer, HasNoSpaceBeyondMaxStream) {
  auto s = unsized(1000);
  expect_placed(s.write(0, 1000), 0, 1000);
  expect_refused(s.write(1000, 1), ENOSPC);
  auto t = unsized(1000);
  expect_refused(t.write(0, 1001), ENOSPC);
  expect_refused(t.write_zeroes(1'000'000, 1), ENOSPC);
  expect_refused(t.trim(999, 2), ENOSPC);
  EXPECT_EQ(t.cursor(), 0u);
  EXPECT_NE(t.write(1000, 1).error().why.find("--max-stream"), std::string::npos);
}

TEST(Sequencer, IsSafeAtTheLargestExport) {
  constexpr std::uint64_t end = (std::uint64_t{1} << 63) - (std::uint64_t{1} << 30);
  auto s = unsized();
  expect_refused(s.write(end - 1, 1), ENOSPC);
  auto open_end = unsized(end);
  expect_placed(open_end.write(end - 1, 1), end - 1, 1);
  EXPECT_EQ(open_end.cursor(), end);
  constexpr std::uint64_t largest = (std::uint64_t{1} << 63) - 1;
  auto t = sized(largest);
  expect_placed(t.write(largest, 1), largest, 0, 1);
  EXPECT_EQ(t.finish(true), 0u);
}

TEST(Sequencer, ReadsZeroesOnlyAheadOfTheCursor) {
  auto s = unsized();
  EXPECT_TRUE(s.reads_as_zeroes(0));
  ASSERT_TRUE(s.write(0, 10));
  EXPECT_FALSE(s.reads_as_zeroes(9));
  EXPECT_TRUE(s.reads_as_zeroes(10));
}

}  // namespace
}  // namespace nbdstream::stream
