// SPDX-License-Identifier: BSD-3-Clause
#include "stream/stall.hpp"

#include <gtest/gtest.h>

namespace nbdstream::stream {
namespace {

using namespace std::chrono_literals;
constexpr stall::time_point start{1000s};

TEST(Stall, GapIsSkippedAfterItsPatience) {
  const stall s(2s, start);
  EXPECT_EQ(s.skip_at(), start + 2s);
}

TEST(Stall, MovingCursorBeginsThePatienceAgain) {
  stall s(2s, start);
  s.cursor_is_at(10, start + 1s);
  EXPECT_EQ(s.skip_at(), start + 3s);
  s.cursor_is_at(10, start + 2s);
  EXPECT_EQ(s.skip_at(), start + 3s) << "it has not moved";
}

TEST(Stall, MoreHeldBytesBeginThePatienceAgain) {
  stall s(2s, start);
  s.held_is(100, start + 1s);
  s.held_is(50, start + 2s);
  s.held_is(100, start + 2s);
  EXPECT_EQ(s.skip_at(), start + 3s) << "as much was held before";
  s.cursor_is_at(1, start + 2s);
  s.held_is(50, start + 3s);
  EXPECT_EQ(s.skip_at(), start + 5s) << "the cursor has moved since";
}

TEST(Stall, LaterGapsDoNotWaitOnceOneWasSkipped) {
  stall s(2s, start);
  EXPECT_TRUE(s.gap_was_skipped());
  EXPECT_FALSE(s.gap_was_skipped());
  EXPECT_EQ(s.skip_at(), stall::time_point::min());
}

TEST(Stall, FirstWaitingClientBeginsThePatience) {
  stall s(2s, start);
  s.wait_begins(start + 5s);
  EXPECT_EQ(s.skip_at(), start + 7s);
}

}  // namespace
}  // namespace nbdstream::stream
