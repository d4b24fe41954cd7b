// SPDX-License-Identifier: BSD-3-Clause
#include "status/columns.hpp"

#include <gtest/gtest.h>

namespace nbdstream::status {
namespace {

TEST(Columns, AreTwoForWhatMayBeWide) {
  EXPECT_EQ(columns_of("abc"), 3U);
  EXPECT_EQ(columns_of("\xc3\xa9t\xc3\xa9"), 3U);
  EXPECT_EQ(columns_of("\xe6\xbc\xa2\xf0\x9f\x98\x80"), 4U);
  EXPECT_EQ(columns_of("\xff\x1b\xc2\x9b"), 3U);
}

TEST(Columns, AreNotExceededByTheBeginningOfAText) {
  EXPECT_EQ(first_columns("abc", 2), "ab");
  EXPECT_EQ(first_columns("a\xe6\xbc\xa2", 2), "a");
  EXPECT_EQ(first_columns("a\xe6\xbc\xa2", 3), "a\xe6\xbc\xa2");
  EXPECT_EQ(first_columns("abc", 0), "");
}

TEST(Columns, ShowNothingThatDrivesATerminal) {
  EXPECT_EQ(first_columns("a\x1b[2J\n\x7f\xc2\x9b\xff", 80), "a?[2J????");
}

}  // namespace
}  // namespace nbdstream::status
