// SPDX-License-Identifier: BSD-3-Clause
//
// What once went wrong, as property_test printed it.
#include "sequencer_run.hpp"
#include "session_run.hpp"

#include <gtest/gtest.h>

namespace nbdstream::test {
namespace {

// They are no data, and sent the zeroes that are to wait for data.
TEST(lazy_zeroes, stay_where_a_write_names_only_bytes_beyond_the_size) {
  script s;
  s.size = 1000;
  s.ops = {
      {op::kind::zeroes, 0, 0, 1000},
      {op::kind::write, 0, 1000, 24},
      {op::kind::write, 1, 500, 100},
  };
  for (const auto mode : {stream::order::window, stream::order::spill}) {
    s.mode = mode;
    EXPECT_EQ(run_sequencer(s), "");
    EXPECT_EQ(run_sessions(s), "");
  }
}

}  // namespace
}  // namespace nbdstream::test
