// SPDX-License-Identifier: BSD-3-Clause
#include "stream/extents.hpp"

#include <gtest/gtest.h>

#include <string>

namespace nbdstream::stream {
namespace {

constexpr std::uint64_t page_bytes = 4096;

class Extents : public testing::Test {
 protected:
  void zeroes(std::uint64_t begin, std::uint64_t end) {
    held.assign({begin, end, content::zeroes});
  }
  void spill(std::uint64_t begin, std::uint64_t end) { held.assign({begin, end, content::spill}); }
  void memory(std::uint64_t begin, std::uint64_t end) {
    held.assign({begin, end, content::memory, store.allocate(begin, end - begin)});
  }
  /// Such as "z0-10 m10-20".
  [[nodiscard]] std::string all() const {
    std::string text;
    for (auto e = held.first(); e; e = held.at_or_after(e->end)) {
      if (!text.empty()) text += ' ';
      text += "zms"[static_cast<std::size_t>(e->what)];
      text += std::to_string(e->begin) + "-" + std::to_string(e->end);
    }
    return text;
  }

  window store{1 << 20};
  extents held;
};

TEST_F(Extents, EmptyRangeAddsNoExtent) {
  zeroes(5, 5);
  zeroes(7, 6);
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(held.end(), 0u);
  EXPECT_FALSE(held.carry_data());
  EXPECT_FALSE(held.first());
}

TEST_F(Extents, AreSortedByOffset) {
  memory(50, 60);
  spill(10, 20);
  zeroes(30, 40);
  EXPECT_EQ(all(), "s10-20 z30-40 m50-60");
  EXPECT_EQ(held.end(), 60u);
  EXPECT_EQ(held.size(), 3u);
}

TEST_F(Extents, AdjacentZeroesAreMerged) {
  zeroes(0, 10);
  zeroes(20, 30);
  zeroes(10, 20);
  EXPECT_EQ(all(), "z0-30");
}

TEST_F(Extents, AdjacentSpilledBytesAreMerged) {
  spill(0, 10);
  spill(20, 30);
  spill(10, 20);
  EXPECT_EQ(all(), "s0-30");
  EXPECT_EQ(held.spilled_bytes(), page_bytes);
}

TEST_F(Extents, AdjacentMemoryIsNotMerged) {
  memory(0, 10);
  memory(10, 20);
  EXPECT_EQ(all(), "m0-10 m10-20");
}

TEST_F(Extents, AdjacentExtentsOfDifferentContentAreNotMerged) {
  zeroes(0, 10);
  spill(10, 20);
  zeroes(20, 30);
  memory(30, 40);
  EXPECT_EQ(all(), "z0-10 s10-20 z20-30 m30-40");
}

TEST_F(Extents, LastExtentWinsWhereTheyOverlap) {
  memory(0, 100);
  zeroes(20, 40);
  spill(30, 50);
  EXPECT_EQ(all(), "m0-20 z20-30 s30-50 m50-100");
}

TEST_F(Extents, LargerExtentReplacesAllInsideIt) {
  memory(10, 20);
  zeroes(30, 40);
  spill(50, 60);
  memory(5, 65);
  EXPECT_EQ(all(), "m5-65");
  EXPECT_EQ(held.spilled_bytes(), 0u);
}

TEST_F(Extents, SplitExtentKeepsItsBytes) {
  memory(0, 30);
  auto e = held.first();
  for (std::size_t i = 0; i < 30; ++i)
    e->block->piece(e->block->offset(), e->block->end())[i] = static_cast<std::byte>(i);
  zeroes(10, 20);
  e = held.at_or_after(20);
  ASSERT_TRUE(e);
  EXPECT_EQ(e->block->piece(e->begin, e->end)[0], std::byte{20});
}

TEST_F(Extents, MemoryIsFreedWithTheLastPartOfAnExtent) {
  memory(0, (1 << 20) - window::overhead);
  zeroes(10, 1 << 20);
  EXPECT_FALSE(store.fits(100));
  zeroes(0, 10);
  EXPECT_TRUE(store.fits((1 << 20) - window::overhead));
}

TEST_F(Extents, EraseCutsAtAnyByte) {
  spill(0, 100);
  held.erase(10, 20);
  EXPECT_EQ(all(), "s0-10 s20-100");
  EXPECT_EQ(held.spilled_bytes(), 2 * page_bytes) << "a page of two extents counts for each";
  held.erase(0, 21);
  EXPECT_EQ(all(), "s21-100");
  held.erase(99, 1000);
  EXPECT_EQ(all(), "s21-99");
  held.erase(50, 50);
  EXPECT_EQ(all(), "s21-99");
  EXPECT_EQ(held.spilled_bytes(), page_bytes);
  spill(2 * page_bytes - 1, 3 * page_bytes + 1);
  EXPECT_EQ(held.spilled_bytes(), page_bytes + 3 * page_bytes);
  EXPECT_EQ(held.spilled_bytes(2 * page_bytes, 3 * page_bytes), page_bytes);
}

TEST_F(Extents, CarryDataIsFalseForZeroesOnly) {
  zeroes(0, 100);
  EXPECT_FALSE(held.carry_data());
  memory(10, 20);
  spill(30, 40);
  EXPECT_TRUE(held.carry_data());
  held.erase(15, 35);
  EXPECT_TRUE(held.carry_data());
  held.erase(0, 15);
  held.erase(35, 40);
  EXPECT_FALSE(held.carry_data());
  EXPECT_EQ(all(), "z40-100");
}

TEST_F(Extents, LookupWorksFromAnyByte) {
  zeroes(10, 20);
  spill(30, 40);
  EXPECT_EQ(held.at_or_after(0)->begin, 10u);
  EXPECT_EQ(held.at_or_after(10)->begin, 10u);
  EXPECT_EQ(held.at_or_after(19)->begin, 10u);
  EXPECT_EQ(held.at_or_after(20)->begin, 30u);
  EXPECT_FALSE(held.at_or_after(40));
  EXPECT_FALSE(held.before(10));
  EXPECT_EQ(held.before(11)->begin, 10u);
  EXPECT_EQ(held.before(30)->begin, 10u);
}

TEST_F(Extents, HundredThousandAdjacentZeroesAreOneExtent) {
  for (std::uint64_t i = 0; i < 100'000; ++i) zeroes(i * 10, i * 10 + 10);
  EXPECT_EQ(all(), "z0-1000000");
}

TEST_F(Extents, OffsetsUpTo2To63DoNotOverflow) {
  constexpr auto end = std::uint64_t{1} << 63;
  zeroes(0, end);
  spill(end - 10, end);
  EXPECT_EQ(held.end(), end);
  EXPECT_EQ(held.spilled_bytes(), page_bytes);
  held.erase(0, end);
  EXPECT_TRUE(held.empty());
}

}  // namespace
}  // namespace nbdstream::stream
