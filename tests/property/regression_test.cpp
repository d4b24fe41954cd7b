// SPDX-License-Identifier: BSD-3-Clause
//
// What once went wrong, as property_test printed it or as real clients do it.
#include "plain_disk.hpp"
#include "session_run.hpp"

#include <gtest/gtest.h>

namespace nbdstream::test {
namespace {

// A disk whose first MiB ends after 1024 bytes of the script.
script sized(std::vector<op> ops) {
  script s;
  s.before = (1 << 20) - 1024;
  s.size = 2048;
  s.refuse_gaps = true;
  s.ops = std::move(ops);
  return s;
}

/// What the model says of it, which streams of every order that may take it must agree with.
bool is_proven(script s) {
  plain_disk disk(s);
  for (std::size_t i = 0; i < s.ops.size(); ++i) disk.apply(s.ops[i], i, 0);
  for (const auto mode : {stream::order::window, stream::order::spill, stream::order::spool}) {
    s.mode = mode;
    EXPECT_EQ(run_sessions(s), "");
  }
  return disk.proven();
}

// QEMU's mirror clears its target, and may be cancelled at any time after that.
TEST(ClearedDisk, IsNotProvenByPartOfTheData) {
  EXPECT_FALSE(is_proven(sized({{op::kind::zeroes, 0, 0, 2048}, {op::kind::write, 0, 0, 1536}})));
  EXPECT_FALSE(is_proven(sized({{op::kind::trim, 0, 0, 2048}, {op::kind::write, 0, 0, 1536}})));
  EXPECT_FALSE(is_proven(sized({{op::kind::trim, 0, 0, 2048}})));
}

TEST(ClearedDisk, IsProvenByAllOfTheDataWhereItWasTrimmed) {
  EXPECT_TRUE(is_proven(sized({{op::kind::trim, 0, 0, 2048}, {op::kind::write, 0, 0, 2048}})));
}

TEST(ClearedDisk, IsNotProvenByAllOfTheDataWhereItWasZeroed) {
  EXPECT_FALSE(is_proven(sized({{op::kind::zeroes, 0, 0, 2048}, {op::kind::write, 0, 0, 2048}})));
}

// qemu-img zeroes the first 512 bytes before it begins.
TEST(ClearedDisk, IsProvenWhereOnlyZeroesOfTheFirstMibAreReplaced) {
  EXPECT_TRUE(is_proven(sized({{op::kind::zeroes, 0, 0, 1024},
                               {op::kind::write, 0, 0, 1024},
                               {op::kind::zeroes, 0, 1024, 1024}})));
  EXPECT_FALSE(is_proven(sized({{op::kind::zeroes, 0, 0, 1025},
                                {op::kind::write, 0, 0, 1025},
                                {op::kind::zeroes, 0, 1025, 1023}})));
}

}  // namespace
}  // namespace nbdstream::test
