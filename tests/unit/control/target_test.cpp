// SPDX-License-Identifier: BSD-3-Clause
#include "control/target.hpp"

#include <gtest/gtest.h>

namespace nbdstream::control {
namespace {

TEST(ControlTarget, HasAPathAndAQuery) {
  const auto t = split_target("/v1/abort?reason=a%20b?c");
  EXPECT_EQ(t.path, "/v1/abort");
  EXPECT_EQ(t.query, "reason=a%20b?c");
  EXPECT_EQ(t.authority, "");
  EXPECT_EQ(split_target("").path, "");
}

TEST(ControlTarget, MayBeAWholeUrlWhoseAuthorityCounts) {
  const auto t = split_target("http://host:80/v1/status?x");
  EXPECT_EQ(t.authority, "host:80");
  EXPECT_EQ(t.path, "/v1/status");
  EXPECT_EQ(t.query, "x");
  EXPECT_EQ(split_target("https://host").authority, "host");
  EXPECT_EQ(split_target("http://host?q").query, "q");
}

TEST(ControlTarget, IsDecodedByteForByte) {
  EXPECT_EQ(percent_decode("a%20b%2fc+d%C3%a4"), "a b/c+d\xc3\xa4");
  EXPECT_EQ(percent_decode("%41"), "A");
  EXPECT_EQ(form_decode("a+b%2Bc"), "a b+c");
}

TEST(ControlTarget, IsRefusedWithPercentSignsThatMeanNothing) {
  for (const char* text : {"%", "%4", "a%", "%zz", "%4g", "%00"}) {
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
  }
}

TEST(ControlTarget, HasParametersByName) {
  EXPECT_EQ(find_parameter("a=1&reason=x=y&b", "reason"), "x=y");
  EXPECT_EQ(find_parameter("a=1&b", "b"), "");
  EXPECT_EQ(find_parameter("areason=1", "reason"), std::nullopt);
  EXPECT_EQ(find_parameter("", "a"), std::nullopt);
  EXPECT_EQ(find_parameter("&&a=2", "a"), "2");
}

}  // namespace
}  // namespace nbdstream::control
