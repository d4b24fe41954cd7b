// SPDX-License-Identifier: BSD-3-Clause
#include "s3/attempts.hpp"

#include <gtest/gtest.h>

#include "s3/trouble.hpp"

namespace nbdstream::s3 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Backoff, DoublesUpToHalfAMinute) {
  EXPECT_EQ(backoff(0, 1), milliseconds(500));
  EXPECT_EQ(backoff(1, 1), seconds(1));
  EXPECT_EQ(backoff(5, 1), seconds(16));
  EXPECT_EQ(backoff(6, 1), seconds(30));
  EXPECT_EQ(backoff(1000, 1), seconds(30));
}

TEST(Backoff, IsAnythingFromNothingOn) {
  EXPECT_EQ(backoff(3, 0), seconds(0));
  EXPECT_EQ(backoff(3, 0.5), seconds(2));
}

TEST(Attempts, EndWhenTheirPatienceDoes) {
  const time_point began{};
  judgement why;
  why.what = verdict::again;
  attempts tried(seconds(10), began);
  EXPECT_TRUE(tried.again(why, began + seconds(60), 1));
  EXPECT_FALSE(tried.again(why, began + seconds(61), 1));
  attempts others(seconds(10), began);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(others.again(why, began + seconds(9), 1));
}

TEST(Attempts, DoNotSleepBeyondTheirPatience) {
  judgement why;
  why.what = verdict::again;
  attempts tried(seconds(10), time_point{});
  for (int i = 0; i < 8; ++i) (void)tried.again(why, time_point{} + seconds(1), 1);
  EXPECT_EQ(tried.again(why, time_point{} + seconds(7), 1), duration(seconds(3)));
}

TEST(Throttle, HalvesTheRequestsAndComesBackOneByOne) {
  throttle room(4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(room.has_room());
    room.enter();
  }
  EXPECT_FALSE(room.has_room());
  room.slow_down();
  EXPECT_EQ(room.limit(), 2U);
  room.leave();
  EXPECT_FALSE(room.has_room());
  room.leave();
  room.leave();
  EXPECT_TRUE(room.has_room());
  room.slow_down();
  room.slow_down();
  EXPECT_EQ(room.limit(), 1U);
  for (int i = 0; i < 20; ++i) room.good();
  EXPECT_EQ(room.limit(), 2U);
  for (int i = 0; i < 100; ++i) room.good();
  EXPECT_EQ(room.limit(), 4U);
}

class Trouble : public testing::Test {
 protected:
  std::vector<std::string> log;
  trouble one{[this](nbdstream_log_level level, const std::string& text) {
    log.push_back((level == NBDSTREAM_LOG_WARNING ? "W "
                   : level == NBDSTREAM_LOG_INFO  ? "I "
                                                  : "D ") +
                  text);
  }};
  time_point now{std::chrono::hours(1)};
};

TEST_F(Trouble, IsAWarningAtOnceAndThenOnceAMinute) {
  one.failed("a", true, now);
  one.failed("b", true, now + seconds(1));
  one.failed("a", false, now + seconds(59));
  one.failed("a", false, now + seconds(60));
  EXPECT_EQ(log, (std::vector<std::string>{"W a", "D b", "D a", "W a"}));
}

TEST_F(Trouble, IsOverWhenAllThatFailedHaveSucceeded) {
  one.failed("a", true, now);
  one.failed("b", true, now);
  one.ended();
  one.well(now + seconds(5));
  EXPECT_EQ(log.size(), 2U);
  one.ended();
  one.well(now + seconds(7));
  one.well(now + seconds(8));
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log[2], "I the server works again, after 7 s");
}

TEST_F(Trouble, OfWhichNobodyWasWarnedIsOverWithoutAWord) {
  one.well(now);
  EXPECT_EQ(log.size(), 0U);
}

}  // namespace
}  // namespace nbdstream::s3
