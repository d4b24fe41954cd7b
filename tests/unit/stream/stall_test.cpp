// SPDX-License-Identifier: BSD-3-Clause
#include "stream/stall.hpp"

#include <gtest/gtest.h>

namespace nbdstream::stream {
namespace {

using namespace std::chrono_literals;
constexpr stall::time_point gap_start{1000s};

TEST(Stall, GapIsSkippedAfterTheStallTime) {
  const stall s(2s, gap_start);
  EXPECT_EQ(s.skip_at(), gap_start + 2s);
}

TEST(Stall, MovingCursorRestartsTheStallTime) {
  stall s(2s, gap_start);
  s.cursor_is_at(10, gap_start + 1s);
  EXPECT_EQ(s.skip_at(), gap_start + 3s);
  s.cursor_is_at(10, gap_start + 2s);
  EXPECT_EQ(s.skip_at(), gap_start + 3s) << "it has not moved";
}

TEST(Stall, MoreHeldBytesRestartTheStallTime) {
  stall s(2s, gap_start);
  s.held_is(100, gap_start + 1s);
  s.held_is(50, gap_start + 2s);
  s.held_is(100, gap_start + 2s);
  EXPECT_EQ(s.skip_at(), gap_start + 3s) << "as much was held before";
  s.cursor_is_at(1, gap_start + 2s);
  s.held_is(50, gap_start + 3s);
  EXPECT_EQ(s.skip_at(), gap_start + 5s) << "the cursor has moved since";
}

TEST(Stall, LaterGapsDoNotWaitOnceOneWasSkipped) {
  stall s(2s, gap_start);
  EXPECT_TRUE(s.gap_was_skipped());
  EXPECT_FALSE(s.gap_was_skipped());
  EXPECT_EQ(s.skip_at(), stall::time_point::min());
}

TEST(Stall, FirstWaitingClientStartsTheStallTime) {
  stall s(2s, gap_start);
  s.wait_begins(gap_start + 5s);
  EXPECT_EQ(s.skip_at(), gap_start + 7s);
}

}  // namespace
}  // namespace nbdstream::stream
