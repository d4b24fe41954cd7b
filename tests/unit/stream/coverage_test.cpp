// SPDX-License-Identifier: BSD-3-Clause
#include "stream/coverage.hpp"

#include <gtest/gtest.h>

namespace nbdstream::stream {
namespace {

TEST(Coverage, IsCompleteWithoutHoles) {
  coverage c;
  EXPECT_TRUE(c.complete());
  c.add_hole(5, 5);
  EXPECT_TRUE(c.complete());
  EXPECT_EQ(c.describe(), "");
}

TEST(Coverage, ListsTheFirstHolesAndCountsTheOthers) {
  coverage c;
  c.add_hole(0, 4096);
  EXPECT_EQ(c.describe(), "4096 bytes at 0");
  c.add_hole(8192, 8704);
  EXPECT_EQ(c.describe(), "4096 bytes at 0 and 512 bytes at 8192");
  c.add_hole(10'000, 10'001);
  c.add_hole(20'000, 20'001);
  EXPECT_EQ(c.describe(),
            "4096 bytes at 0, 512 bytes at 8192, 1 bytes at 10000 and 1 bytes at 20000");
  c.add_hole(30'000, 30'010);
  EXPECT_NE(c.describe().find("1 bytes at 20000 and 1 more range"), std::string::npos);
  EXPECT_EQ(c.missing_bytes(), 4096u + 512 + 1 + 1 + 10);
}

TEST(Coverage, JoinsAdjacentHoles) {
  coverage c;
  c.add_hole(0, 10);
  c.add_hole(10, 30);
  EXPECT_EQ(c.describe(), "30 bytes at 0");
  for (const std::uint64_t begin : {100, 200, 300}) c.add_hole(begin, begin + 10);
  c.add_hole(310, 320);
  EXPECT_EQ(c.describe(), "30 bytes at 0, 10 bytes at 100, 10 bytes at 200 and 20 bytes at 300");
}

TEST(Coverage, TakesAMillionHolesInConstantMemory) {
  static_assert(sizeof(coverage) <= 128);
  coverage c;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) c.add_hole(2 * i, 2 * i + 1);
  EXPECT_EQ(c.missing_bytes(), 1'000'000u);
  EXPECT_NE(c.describe().find("999996 more ranges"), std::string::npos);
  EXPECT_LT(c.describe().size(), 200u);
}

}  // namespace
}  // namespace nbdstream::stream
