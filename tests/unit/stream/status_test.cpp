// SPDX-License-Identifier: BSD-3-Clause
#include "stream/status.hpp"

#include <gtest/gtest.h>

namespace nbdstream::stream {
namespace {

using stretches = std::vector<status_range>;

constexpr auto all = std::uint64_t{1} << 63;
constexpr std::size_t many = 1000;

TEST(Status, EmptyStreamIsOneUnwrittenRange) {
  EXPECT_EQ(describe({}, 0, 0, all, many), (stretches{{all, state::unwritten}}));
  EXPECT_EQ(describe({}, 0, all - 1, all, 1), (stretches{{all, state::unwritten}}));
}

TEST(Status, SentBytesAreData) {
  EXPECT_EQ(describe({}, 100, 0, all, many),
            (stretches{{100, state::data}, {all, state::unwritten}}));
  EXPECT_EQ(describe({}, 100, 99, 100, many), (stretches{{100, state::data}}));
  EXPECT_EQ(describe({}, 100, 100, 101, many), (stretches{{101, state::unwritten}}));
  EXPECT_EQ(describe({}, all, 10, 20, many), (stretches{{20, state::data}}));
}

TEST(Status, ZeroesDataAndUnwrittenBytesAreSeparateRanges) {
  extents held;
  held.assign({20, 30, content::zeroes});
  held.assign({30, 40, content::spill});
  held.assign({50, 60, content::spill});
  EXPECT_EQ(describe(held, 10, 5, 70, many), (stretches{{10, state::data},
                                                        {20, state::unwritten},
                                                        {30, state::zeroes},
                                                        {40, state::data},
                                                        {50, state::unwritten},
                                                        {60, state::data},
                                                        {70, state::unwritten}}));
}

TEST(Status, RangesAreCutToTheRequest) {
  extents held;
  held.assign({20, 30, content::zeroes});
  EXPECT_EQ(describe(held, 0, 25, 26, many), (stretches{{26, state::zeroes}}));
  EXPECT_EQ(describe(held, 0, 10, 20, many), (stretches{{20, state::unwritten}}));
  EXPECT_EQ(describe(held, 0, 29, 31, many),
            (stretches{{30, state::zeroes}, {31, state::unwritten}}));
}

TEST(Status, AdjacentRangesOfOneStateAreMerged) {
  window w(1 << 20);
  extents held;
  held.assign({10, 20, content::memory, w.allocate(10, 10)});
  held.assign({20, 30, content::memory, w.allocate(20, 10)});
  held.assign({30, 40, content::spill});
  EXPECT_EQ(describe(held, 10, 0, 40, many), (stretches{{40, state::data}}));
}

TEST(Status, ReplyEndsEarlyAtItsLimitOfExtents) {
  extents held;
  for (std::uint64_t at = 0; at < 10'000; at += 10) held.assign({at, at + 5, content::zeroes});
  const auto some = describe(held, 0, 0, all, 3);
  EXPECT_EQ(some, (stretches{{5, state::zeroes},
                             {10, state::unwritten},
                             {15, state::zeroes},
                             {20, state::unwritten},
                             {25, state::zeroes}}));
  EXPECT_EQ(describe(held, 0, 7, all, 1), (stretches{{10, state::unwritten}, {15, state::zeroes}}));
}

}  // namespace
}  // namespace nbdstream::stream
