// SPDX-License-Identifier: BSD-3-Clause
#include "stream/window.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace nbdstream::stream {
namespace {

TEST(Window, CountsWhatEachBlockCostsBesidesItsBytes) {
  window w(1000);
  EXPECT_TRUE(w.fits(1000 - window::overhead));
  EXPECT_FALSE(w.fits(1001 - window::overhead));
  const auto first = w.allocate(0, 300);
  EXPECT_TRUE(w.fits(1000 - 300 - 2 * window::overhead));
  EXPECT_FALSE(w.fits(1001 - 300 - 2 * window::overhead));
}

TEST(Window, IsSafeWhateverIsAskedOfIt) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_FALSE(window(0).fits(1));
  EXPECT_FALSE(window(window::overhead - 1).fits(0));
  EXPECT_FALSE(window(1000).fits(most));
  EXPECT_FALSE(window(most).fits(most));
  EXPECT_TRUE(window(most).fits(most - window::overhead));
}

TEST(Window, GetsItsMemoryBackWithTheLastReference) {
  window w(1000);
  auto first = w.allocate(0, 800);
  auto second = first;
  first.reset();
  EXPECT_FALSE(w.fits(100));
  second.reset();
  EXPECT_TRUE(w.fits(800));
}

TEST(Window, IsMoreThanHalfFullBeyondTheHalf) {
  window w(1000);
  const auto half = w.allocate(0, 500 - window::overhead);
  EXPECT_FALSE(w.more_than_half());
  const auto one_more = w.allocate(0, 1);
  EXPECT_TRUE(w.more_than_half());
}

TEST(Window, RemembersTheMostThatWasUsed) {
  window w(1000);
  EXPECT_EQ(w.peak(), 0u);
  w.allocate(0, 600).reset();
  const auto later = w.allocate(0, 10);
  EXPECT_EQ(w.peak(), 600 + window::overhead);
}

TEST(Block, FindsItsBytesByTheirPlaceInTheStream) {
  window w(1000);
  const auto b = w.allocate(5000, 10);
  EXPECT_EQ(b->offset(), 5000u);
  ASSERT_EQ(b->bytes().size(), 10u);
  for (int i = 0; i < 10; ++i) b->bytes()[static_cast<std::size_t>(i)] = static_cast<std::byte>(i);
  const auto part = b->bytes(5003, 5006);
  ASSERT_EQ(part.size(), 3u);
  EXPECT_EQ(part[0], std::byte{3});
  EXPECT_EQ(part[2], std::byte{5});
}

}  // namespace
}  // namespace nbdstream::stream
