// SPDX-License-Identifier: BSD-3-Clause
#include "control/local_name.hpp"

#include <gtest/gtest.h>

namespace nbdstream::control {
namespace {

using namespace std::string_view_literals;

TEST(LocalName, IsAnAddressOrLocalhostOrWhatWasConfigured) {
  for (const char* name : {"127.0.0.1", "127.0.0.1:9110", "192.0.2.7:1", "[::1]", "[::1]:9110",
                           "localhost", "LocalHost:80", "backup.example:9110", "BACKUP.example"}) {
    EXPECT_TRUE(is_local_name(name, "backup.example")) << name;
  }
}

TEST(LocalName, IsNoNameThatSomebodysDnsCouldPointHere) {
  for (const auto name :
       {"evil.example"sv, "127.0.0.1.evil.example"sv, "localhost.evil.example"sv, ""sv, ":80"sv,
        "::1"sv, "[::1"sv, "[::1]x"sv, "[::1]:x"sv, "[]"sv, "127.0.0.1:80:90"sv, "127.0.0.1:x"sv,
        "127.1"sv, "127.0.0.1:123456"sv, "127.0.0.1\0.evil.example"sv, "backup.example2"sv}) {
    EXPECT_FALSE(is_local_name(name, "backup.example")) << name;
  }
  EXPECT_FALSE(is_local_name("", "")) << "nothing was configured";
}

TEST(SameOrigin, IsThatOfThePageItself) {
  EXPECT_TRUE(is_same_origin("http://127.0.0.1:9110", "127.0.0.1:9110"));
  EXPECT_TRUE(is_same_origin("https://LOCALHOST", "localhost"));
  EXPECT_FALSE(is_same_origin("http://127.0.0.1:9111", "127.0.0.1:9110"));
  EXPECT_FALSE(is_same_origin("null", "null"));
  EXPECT_FALSE(is_same_origin("http://", ""));
  EXPECT_FALSE(is_same_origin("file://localhost", "localhost"));
}

}  // namespace
}  // namespace nbdstream::control
