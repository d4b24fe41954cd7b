// SPDX-License-Identifier: BSD-3-Clause
//
// The stream after one whose client vanished: it may be the same client, which has reconnected and
// goes on in the middle.
#include "server/export.hpp"

#include "writer_client.hpp"

namespace nbdstream::test {
namespace {

using stream::disconnect;

nbd_export::settings spooled(std::optional<std::uint64_t> size) {
  auto s = rig::ordered(stream::order::spool, 1 << 20);
  s.config.size = size;
  s.config.streams = 0;
  return s;
}

/// Writes [from, to), and leaves.
void write_and_leave(rig& r, std::size_t from, std::size_t to, disconnect how) {
  writer_client c(r, "c");
  c.zero(from, to - from);
  c.leave(how);
}

class VanishedClient : public ::testing::TestWithParam<std::optional<std::uint64_t>> {};

INSTANTIATE_TEST_SUITE_P(Each, VanishedClient,
                         ::testing::Values(std::nullopt, std::optional<std::uint64_t>(100)),
                         [](const auto& i) { return i.param ? "WithSize" : "WithoutSize"; });

TEST_P(VanishedClient, GapsAreRefusedUntilAStreamCommits) {
  for (const auto how : {disconnect::eof, disconnect::mid_request}) {
    rig r(spooled(GetParam()));
    write_and_leave(r, 0, 50, how);
    ASSERT_EQ(r.exported.aborted(), 1u);
    write_and_leave(r, 50, 100, disconnect::clean);
    EXPECT_EQ(r.exported.committed(), 0u) << "a disk without its first half";
    EXPECT_EQ(r.exported.aborted(), 2u);
    EXPECT_TRUE(r.log.says("vanished")) << r.log.all();
    write_and_leave(r, 50, 100, disconnect::clean);
    EXPECT_EQ(r.exported.committed(), 0u) << "it may still be the same client";
    write_and_leave(r, 0, 100, disconnect::clean);
    EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
    write_and_leave(r, 50, 100, disconnect::clean);
    EXPECT_EQ(r.exported.committed(), 2u) << "gaps are allowed, as before";
    EXPECT_TRUE(r.tape.all_ended_once());
  }
}

TEST_P(VanishedClient, HangUpDuringSinkOpenMakesGapsRefused) {
  rig r(spooled(GetParam()));
  r.tape.hold = "open";
  writer_client c(r, "c");
  c.begin_write(0, "abc");
  r.settle();
  ASSERT_TRUE(r.tape.waiting);
  r.exported.hung_up(c.who());
  r.settle();
  c.leave(disconnect::mid_request);
  ASSERT_EQ(r.exported.aborted(), 1u);
  r.sink->release();
  write_and_leave(r, 50, 100, disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 0u);
  EXPECT_TRUE(r.log.says("vanished")) << r.log.all();
}

TEST(RefusedWrite, LeavesGapsAllowedInTheNextStream) {
  rig r(rig::streams(0));
  {
    writer_client c(r, "c");
    c.write(10, "abc");
    c.write(0, "behind");
    c.leave(disconnect::clean);
  }
  ASSERT_EQ(r.exported.aborted(), 1u);
  writer_client c(r, "c");
  c.write(10, "abc");
  c.leave(disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
}

}  // namespace
}  // namespace nbdstream::test
