// SPDX-License-Identifier: BSD-3-Clause
//
// Scripts that failed once, as property_test printed them or as real clients send them.
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

/// Whether the model proves that the disk is complete. Streams in each possible order must agree.
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
TEST(ClearedDisk, IsNotProvenByPartOfData) {
  EXPECT_FALSE(is_proven(sized({{op::kind::zeroes, 0, 0, 2048}, {op::kind::write, 0, 0, 1536}})));
  EXPECT_FALSE(is_proven(sized({{op::kind::trim, 0, 0, 2048}, {op::kind::write, 0, 0, 1536}})));
  EXPECT_FALSE(is_proven(sized({{op::kind::trim, 0, 0, 2048}})));
}

TEST(ClearedDisk, IsProvenByAllDataAfterTrim) {
  EXPECT_TRUE(is_proven(sized({{op::kind::trim, 0, 0, 2048}, {op::kind::write, 0, 0, 2048}})));
}

TEST(ClearedDisk, IsNotProvenByAllDataAfterZeroing) {
  EXPECT_FALSE(is_proven(sized({{op::kind::zeroes, 0, 0, 2048}, {op::kind::write, 0, 0, 2048}})));
}

// qemu-img zeroes the first 512 bytes before it begins.
TEST(ClearedDisk, IsProvenIfOnlyZeroesOfFirstMibAreReplaced) {
  EXPECT_TRUE(is_proven(sized({{op::kind::zeroes, 0, 0, 1024},
                               {op::kind::write, 0, 0, 1024},
                               {op::kind::zeroes, 0, 1024, 1024}})));
  EXPECT_FALSE(is_proven(sized({{op::kind::zeroes, 0, 0, 1025},
                                {op::kind::write, 0, 0, 1025},
                                {op::kind::zeroes, 0, 1025, 1023}})));
}

}  // namespace
}  // namespace nbdstream::test
