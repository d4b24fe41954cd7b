// SPDX-License-Identifier: BSD-3-Clause
#include "config/text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace nbdstream::config {
namespace {

TEST(Quote, KeepsAMessageOnOneShortLine) {
  EXPECT_EQ(quote("a b"), "\"a b\"");
  EXPECT_EQ(quote("a\nb\x1b\x7f"), "\"a\\x0ab\\x1b\\x7f\"");
  EXPECT_LT(quote(std::string(100000, 'x')).size(), 250U);
}

TEST(ValidUtf8, FollowsTheStandardsTable) {
  for (const std::string_view good :
       {"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Gr\xc3\xb6\xc3\x9f"}) {
    EXPECT_TRUE(valid_utf8(good)) << good;
  }
  for (const std::string_view bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xfe"}) {
    EXPECT_FALSE(valid_utf8(bad)) << quote(bad);
  }
}

TEST(NearestName, FindsASlipAndNothingFartherAway) {
  constexpr std::array<std::string_view, 5> names{"size", "sink", "streams", "gaps", "p"};
  const std::pair<std::string_view, std::string_view> table[] = {
      {"siz", "size"},  {"sizee", "size"}, {"stream", "streams"},
      {"gasp", "gaps"}, {"szie", "size"},  {"gap", "gaps"},
      {"verbose", ""},  {"", ""},          {"x", ""}};
  for (const auto& [word, name] : table) {
    EXPECT_EQ(nearest_name(word, names), name) << word;
  }
  EXPECT_EQ(nearest_name(std::string(100000, 's'), names), "");
  EXPECT_EQ(did_you_mean("siz", names), "; did you mean \"size\"?");
  EXPECT_EQ(did_you_mean("nothing", names), "");
}

}  // namespace
}  // namespace nbdstream::config
