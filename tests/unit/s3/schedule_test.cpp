// SPDX-License-Identifier: BSD-3-Clause
#include "s3/schedule.hpp"

#include <gtest/gtest.h>

namespace nbdstream::s3 {
namespace {

constexpr std::uint64_t GiB = 1024 * MiB;
constexpr std::uint64_t TiB = 1024 * GiB;

TEST(ScheduleOfUnknownSize, HasTwelveHundredPartsOfEachSizeAndTheLargestToTheEnd) {
  const schedule parts({}, {});
  for (std::uint64_t number = 1; number <= most_parts; ++number) {
    const std::uint64_t doublings = number > 8400 ? 7 : (number - 1) / 1200;
    ASSERT_EQ(parts.size_of(number), (16 * MiB) << doublings) << number;
  }
}

TEST(ScheduleOfUnknownSize, ReachesFiveTebibytesAndMore) {
  EXPECT_EQ(schedule({}, {}).capacity(), 5581 * GiB + 256 * MiB);
  EXPECT_GE(schedule({}, {}).capacity(), 5 * TiB);
}

TEST(ScheduleOfKnownSize, HasEqualPartsOfWholeMebibytes) {
  const auto part = [](std::uint64_t size) { return schedule({}, size).size_of(1) / MiB; };
  EXPECT_EQ(part(0), 16U);
  EXPECT_EQ(part(40 * GiB), 16U);
  EXPECT_EQ(part(10000 * 16 * MiB), 16U);
  EXPECT_EQ(part(10000 * 16 * MiB + 1), 17U);
  EXPECT_EQ(part(TiB), 105U);
  EXPECT_EQ(part(5 * TiB), 525U);
  for (const std::uint64_t number : {1, 2, 5000, 10000})
    EXPECT_EQ(schedule({}, 5 * TiB).size_of(number), 525 * MiB);
}

TEST(ScheduleOfKnownSize, HoldsTheStreamUpToTheLargestOfS3) {
  for (std::uint64_t size = 1; size < 10000 * largest_part; size = size * 3 + 1) {
    EXPECT_GE(schedule({}, size).capacity(), size) << size;
    EXPECT_LT(schedule({}, size).size_of(1), std::max(size / most_parts + 2 * MiB, 17 * MiB));
  }
  EXPECT_EQ(schedule({}, 10000 * largest_part + 1).size_of(1), largest_part);
  EXPECT_EQ(schedule({}, UINT64_MAX).size_of(10000), largest_part);
}

TEST(ScheduleOfTheUser, IsTheSameForAllWhateverTheSize) {
  const schedule parts(5 * MiB, 5 * TiB);
  for (const std::uint64_t number : {1, 1201, 10000}) EXPECT_EQ(parts.size_of(number), 5 * MiB);
  EXPECT_EQ(parts.capacity(), 50000 * MiB);
}

TEST(BufferCount, IsOneMoreThanTheConnectionsWhereMemoryAllows) {
  EXPECT_EQ(buffer_count(16 * MiB, 4, 512 * MiB), 5U);
  EXPECT_EQ(buffer_count(16 * MiB, 8, 512 * MiB), 9U);
  EXPECT_EQ(buffer_count(105 * MiB, 4, 512 * MiB), 4U);
  EXPECT_EQ(buffer_count(128 * MiB, 4, 512 * MiB), 4U);
  EXPECT_EQ(buffer_count(256 * MiB, 4, 512 * MiB), 2U);
}

TEST(BufferCount, IsNeverLessThanTwo) {
  EXPECT_EQ(buffer_count(2 * GiB, 4, 512 * MiB), 2U);
  EXPECT_EQ(buffer_count(5 * GiB, 1, 1), 2U);
}

}  // namespace
}  // namespace nbdstream::s3
