// SPDX-License-Identifier: BSD-3-Clause
#include "status/quantities.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace nbdstream::status {
namespace {

TEST(Quantities, HaveAUnitThatKeepsThemShort) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1023.97 * 1024), "1.0 MiB");
  EXPECT_EQ(format_bytes(1.5 * (1 << 30)), "1.5 GiB");
  EXPECT_EQ(format_bytes(9223372036854775808.0), "8.0 EiB");
}

TEST(Quantities, OfTimeAreRoundedUp) {
  EXPECT_EQ(format_time(seconds(0)), "0:00");
  EXPECT_EQ(format_time(seconds(0.1)), "0:01");
  EXPECT_EQ(format_time(seconds(59.5)), "1:00");
  EXPECT_EQ(format_time(seconds(3723)), "1:02:03");
  EXPECT_EQ(format_time(seconds(100 * 3600)), "4d 04h");
  EXPECT_EQ(format_time(seconds(std::numeric_limits<double>::infinity())), "11574d 01h");
  EXPECT_EQ(format_time(seconds(-1)), "0:00");
}

TEST(Quantities, AreAllOnlyAt100Percent) {
  EXPECT_EQ(percent(999, 1000), 99U);
  EXPECT_EQ(percent(1000, 1000), 100U);
  EXPECT_EQ(percent(2000, 1000), 100U);
  EXPECT_EQ(percent(0, 0), std::nullopt);
  const auto most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(percent(most - 1, most), 99U);
  EXPECT_EQ(percent(most, most), 100U);
}

}  // namespace
}  // namespace nbdstream::status
