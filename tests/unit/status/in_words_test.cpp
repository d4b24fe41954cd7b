// SPDX-License-Identifier: BSD-3-Clause
#include "status/in_words.hpp"

#include "examples.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace nbdstream::status {
namespace {

TEST(InWords, ASizeHasAboutThreeDigits) {
  EXPECT_EQ(size_in_words(0), "0 B");
  EXPECT_EQ(size_in_words(1023), "1023 B");
  EXPECT_EQ(size_in_words(1024), "1 KiB");
  EXPECT_EQ(size_in_words(1536), "1.5 KiB");
  EXPECT_EQ(size_in_words(10.25 * 1024), "10.3 KiB");
  EXPECT_EQ(size_in_words(99.9 * 1024), "99.9 KiB");
  EXPECT_EQ(size_in_words(99.96 * 1024), "100 KiB");
  EXPECT_EQ(size_in_words(412.4 * 1024 * 1024), "412 MiB");
  EXPECT_EQ(size_in_words(40.0 * (1U << 30)), "40 GiB");
}

TEST(InWords, ASizeOfAnyKindHasWords) {
  EXPECT_EQ(size_in_words(static_cast<double>(std::numeric_limits<std::uint64_t>::max())),
            "16 EiB");
  EXPECT_EQ(size_in_words(-1), "0 B");
  EXPECT_EQ(size_in_words(0.4), "0 B");
}

TEST(InWords, WhatWasSentMayHaveBeenCompressed) {
  counters c;
  c.sent = 2048;
  EXPECT_EQ(sent_in_words(c), "2 KiB");
  c.compressed = 1024;
  EXPECT_EQ(sent_in_words(c), "2 KiB, compressed to 1 KiB");
}

TEST(InWords, ATimeHasTwoUnitsAndIsRoundedDown) {
  EXPECT_EQ(time_in_words(seconds(0)), "0.0 s");
  EXPECT_EQ(time_in_words(seconds(9.99)), "9.9 s");
  EXPECT_EQ(time_in_words(seconds(59.9)), "59 s");
  EXPECT_EQ(time_in_words(seconds(60)), "1 min 0 s");
  EXPECT_EQ(time_in_words(seconds(3599)), "59 min 59 s");
  EXPECT_EQ(time_in_words(seconds(3600 + 5 * 60 + 59)), "1 h 5 min");
  EXPECT_EQ(time_in_words(seconds(86400 * 3 + 4 * 3600)), "3 d 4 h");
}

TEST(InWords, ATimeOfAnyKindHasWords) {
  EXPECT_EQ(time_in_words(seconds(-5)), "0.0 s");
  EXPECT_EQ(time_in_words(seconds(std::numeric_limits<double>::infinity())), "11574074074 d 1 h");
}

TEST(InWords, ADateIsInUtc) {
  EXPECT_EQ(date_in_words(at(1999)), "2026-11-27 06:00:01 UTC");
}

}  // namespace
}  // namespace nbdstream::status
