// SPDX-License-Identifier: BSD-3-Clause
//
// A sink that reports a failure between two operations.
#include "server/export.hpp"

#include "writer_client.hpp"

namespace nbdstream::test {
namespace {

using protocol::wire_error;

TEST(SinkFailure, BetweenWritesAborts) {
  rig r(rig::sized(6));
  writer_client c(r, "c");
  c.write(0, "abc");
  r.sink->find_out("the bucket is gone");
  r.settle();
  EXPECT_TRUE(r.log.says("aborted after 3 bytes: the sink has failed: the bucket is gone"))
      << r.log.all();
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_EQ(r.tape.streams[0].aborts, 1);
  EXPECT_EQ(c.write(3, "def").error, wire_error::io);
  EXPECT_TRUE(r.export_done);
}

TEST(SinkFailure, DuringAWriteGivesEioAndTheReason) {
  rig r;
  writer_client c(r, "c");
  r.tape.hold = "write";
  c.begin_write(0, "abc");
  r.settle();
  ASSERT_TRUE(r.tape.waiting);
  r.sink->find_out("the bucket is gone");
  r.settle();
  EXPECT_TRUE(c.last.done);
  EXPECT_EQ(c.last.error, wire_error::io);
  EXPECT_TRUE(r.log.says("the bucket is gone")) << r.log.all();
  EXPECT_TRUE(r.tape.all_ended_once());
}

/// The export itself sends held bytes, not a connection.
TEST(SinkFailure, WhileHeldDataAreSentAborts) {
  auto s = rig::windowed(1 << 20);
  s.config.size = 6;
  rig r(std::move(s));
  writer_client c(r, "c");
  c.write(3, "def");
  r.tape.hold = "parts";
  c.write(0, "abc");
  c.leave(stream::disconnect::clean);
  ASSERT_TRUE(r.tape.waiting);
  r.sink->find_out("the bucket is gone");
  r.settle();
  EXPECT_TRUE(r.log.says("the bucket is gone")) << r.log.all();
  EXPECT_EQ(r.exported.committed(), 0u);
  EXPECT_EQ(r.tape.streams[0].aborts, 1);
}

TEST(SinkFailure, DoesNotAffectTheNextStream) {
  rig r(rig::streams(2));
  {
    writer_client c(r, "c");
    c.write(0, "abc");
    r.sink->find_out("the bucket is gone");
    r.settle();
    c.leave(stream::disconnect::clean);
  }
  writer_client c(r, "c");
  EXPECT_EQ(c.write(0, "abc").error, wire_error::none);
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
  EXPECT_EQ(r.tape.commits(), 1u);
}

TEST(ExactSize, IsPromisedToTheSinkOnlyWithPadding) {
  for (const bool pad : {true, false}) {
    auto s = rig::sized(6);
    s.config.pad = pad;
    rig r(std::move(s));
    writer_client c(r, "c");
    c.write(0, "abc");
    EXPECT_EQ(r.tape.streams[0].info.size, 6u);
    EXPECT_EQ(r.tape.streams[0].info.size_is_exact, pad);
    c.leave(stream::disconnect::clean);
    EXPECT_EQ(r.tape.streams[0].length, pad ? 6u : 3u);
  }
}

}  // namespace
}  // namespace nbdstream::test
