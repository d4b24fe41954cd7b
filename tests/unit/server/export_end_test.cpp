// SPDX-License-Identifier: BSD-3-Clause
//
// The end of a stream: settling, stopping, a commit under way, and who comes meanwhile.
#include "server/export.hpp"

#include "support/scripted_client.hpp"
#include "writer_client.hpp"

#include <optional>

namespace nbdstream::test {
namespace {

using protocol::wire_error;

nbd_export::settings settling(std::chrono::milliseconds time) {
  auto s = rig::plain();
  s.config.settle = time;
  return s;
}

constexpr std::chrono::hours for_ever{1};

TEST(ExportEnd, ZeroesOnlyStreamWaitsForAnotherConnection) {
  rig r(settling(for_ever));
  writer_client preamble(r, "preamble");
  preamble.zero(0, 512);
  preamble.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 0u);
  writer_client data(r, "data");
  EXPECT_EQ(data.write(512, "abc").error, wire_error::none);
  data.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 1u) << "now there are data";
  EXPECT_EQ(r.tape.data(), std::string(512, '\0') + "abc");
}

TEST(ExportEnd, ZeroesOnlyStreamCommitsAfterTheSettleTime) {
  rig r(settling(std::chrono::milliseconds(20)));
  writer_client c(r, "c");
  c.zero(0, 512);
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 0u);
  EXPECT_TRUE(run_until(r.loop, [&] { return r.exported.committed() == 1; }));
}

TEST(ExportEnd, ZeroesOnlyStreamWaitsForIdleConnections) {
  rig r(settling(std::chrono::milliseconds(1)));
  writer_client first(r, "first");
  writer_client idle(r, "idle");
  first.zero(0, 512);
  first.leave(stream::disconnect::clean);
  const auto end = io::clock::now() + std::chrono::milliseconds(100);
  ASSERT_TRUE(run_until(r.loop, [&] { return io::clock::now() > end; }));
  EXPECT_EQ(r.exported.committed(), 0u);
  EXPECT_TRUE(r.log.says("1 connection that has not written may still write")) << r.log.all();
  idle.leave(stream::disconnect::clean);
  EXPECT_TRUE(run_until(r.loop, [&] { return r.exported.committed() == 1; }));
}

/// It may be about to go on with them.
TEST(ExportEnd, StopOfZeroesOnlyStreamAbortsBesideAnIdleConnection) {
  enum class bystander { none, from_the_beginning, came_later, left, wrote_and_left };
  for (const auto who : {bystander::none, bystander::from_the_beginning, bystander::came_later,
                         bystander::left, bystander::wrote_and_left}) {
    rig r(settling(for_ever));
    std::optional<writer_client> other;
    if (who == bystander::from_the_beginning) other.emplace(r, "other");
    writer_client c(r, "c");
    c.zero(0, 512);
    c.leave(stream::disconnect::clean);
    if (!other && who != bystander::none) other.emplace(r, "other");
    if (who == bystander::wrote_and_left) other->zero(512, 512);
    if (who >= bystander::left) other->leave(stream::disconnect::clean);
    r.exported.stop("signal 15");
    r.settle();
    EXPECT_TRUE(r.export_done);
    const bool may_go_on = who == bystander::from_the_beginning || who == bystander::came_later;
    EXPECT_EQ(r.exported.aborted(), may_go_on ? 1u : 0u) << static_cast<int>(who);
    EXPECT_EQ(r.exported.committed(), may_go_on ? 0u : 1u) << static_cast<int>(who);
  }
}

TEST(ExportEnd, ClientsThatWaitForACommitShareTheNextStream) {
  rig r(rig::streams(2));
  r.tape.hold = "commit";
  writer_client a(r, "a");
  a.write(0, "abc");
  a.leave(stream::disconnect::clean);
  writer_client b(r, "b");
  writer_client c(r, "c");
  b.begin_write(0, "bb");
  r.settle();
  c.begin_write(2, "cc");
  r.settle();
  EXPECT_FALSE(b.last.done);
  r.sink->release();
  r.settle();
  EXPECT_TRUE(b.last.done);
  EXPECT_TRUE(c.last.done);
  EXPECT_EQ(r.tape.data(), "bbcc");
  b.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 1u);
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 2u);
}

TEST(ExportEnd, StopDuringCommitRefusesWaitingClientsAndCommits) {
  rig r(rig::streams(0));
  r.tape.hold = "commit";
  writer_client a(r, "a");
  a.write(0, "abc");
  a.leave(stream::disconnect::clean);
  writer_client b(r, "b");
  b.begin_write(0, "bb");
  r.settle();
  r.exported.stop("signal");
  r.settle();
  EXPECT_TRUE(b.last.refused);
  EXPECT_FALSE(r.export_done) << "a commit under way is finished";
  r.sink->release();
  r.settle();
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_TRUE(r.export_done);
}

TEST(ExportEnd, CancelledCommitAborts) {
  rig r;
  r.tape.hold = "commit";
  writer_client a(r, "a");
  a.write(0, "abc");
  a.leave(stream::disconnect::clean);
  r.exported.stop("signal");
  r.exported.cancel_commit("a second signal");
  r.settle();
  EXPECT_EQ(r.exported.committed(), 0u);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_TRUE(r.tape.all_ended_once());
  EXPECT_TRUE(r.export_done);
}

TEST(ExportEnd, StopDuringAnySinkCallAborts) {
  for (const char* call : {"open", "zeroes", "write"}) {
    rig r;
    r.tape.hold = call;
    writer_client a(r, "a");
    a.begin_write(100, "abc");
    r.settle();
    ASSERT_TRUE(r.tape.waiting) << call;
    r.exported.stop("signal 15");
    r.settle();
    EXPECT_TRUE(a.last.done) << call;
    EXPECT_EQ(a.last.error, wire_error::io);
    EXPECT_EQ(r.exported.aborted(), 1u) << call;
    EXPECT_TRUE(r.export_done);
    EXPECT_TRUE(r.tape.all_ended_once());
    EXPECT_TRUE(r.log.says("signal 15"));
    EXPECT_EQ(a.write(103, "more").error, wire_error::io) << "it touches the sink no more";
    a.leave(stream::disconnect::clean);
  }
}

TEST(ExportEnd, StopWithoutAStreamEndsAtOnce) {
  rig r;
  r.exported.stop("signal");
  r.settle();
  EXPECT_TRUE(r.export_done);
  EXPECT_EQ(r.exported.aborted(), 0u);
  EXPECT_TRUE(r.tape.calls.empty());
  writer_client late(r, "late");
  EXPECT_TRUE(late.write(0, "x").refused);
}

TEST(ExportEnd, StopOfZeroesOnlyStreamCommitsIfItHasNoGap) {
  for (const bool whole : {true, false}) {
    auto s = settling(for_ever);
    s.config.size = 1000;
    rig r(refusing_gaps(s));
    writer_client c(r, "c");
    c.zero(0, whole ? 1000 : 512);
    c.leave(stream::disconnect::clean);
    ASSERT_TRUE(r.exported.stream_open());
    r.exported.stop("signal 15");
    r.settle();
    EXPECT_TRUE(r.export_done);
    EXPECT_EQ(r.exported.committed(), whole ? 1u : 0u) << r.log.all();
    EXPECT_EQ(r.exported.aborted(), whole ? 0u : 1u);
    EXPECT_EQ(r.log.says("488 bytes were not covered"), !whole) << r.log.all();
  }
}

TEST(ExportEnd, LastDisconnectAbortsAtOnceIfBytesAreMissing) {
  auto s = rig::windowed(1 << 20);
  s.config.size = 1000;
  rig r(refusing_gaps(s));
  r.tape.hold = "parts";
  scripted_client c;
  c.flags().go().write(4, "bbbb").write(0, "aaaa").disc();
  r.go(r.connect(c.script()));
  r.settle();
  EXPECT_TRUE(r.export_done) << "it cannot become complete";
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_TRUE(r.tape.all_ended_once());
}

/// All that a client has written is in the spill file, and is being sent.
class ExportSpool : public ::testing::Test {
 protected:
  ExportSpool() {
    r.tape.hold = "write";
    scripted_client c;
    c.flags().go().write(4, "bbbb").write(0, "aaaa").disc();
    r.go(r.connect(c.script()));
    r.settle();
    EXPECT_TRUE(r.tape.waiting);
    EXPECT_TRUE(r.connections.front().done);
  }
  rig r{rig::ordered(stream::order::spool, 1 << 20)};
};

/// What was held is being sent since the gap before it is filled, and no writer is left.
TEST(ExportEnd, CancelWhileHeldDataAreSentAborts) {
  rig r(rig::windowed(1 << 20));
  r.tape.hold = "parts";
  scripted_client c;
  c.flags().go().write(4, "bbbb").write(0, "aaaa").disc();
  r.go(r.connect(c.script()));
  r.settle();
  ASSERT_TRUE(r.tape.waiting);
  ASSERT_TRUE(r.connections.front().done);
  r.exported.stop("signal 15");
  r.settle();
  EXPECT_FALSE(r.export_done) << "nothing is missing";
  r.exported.cancel_commit("signal 15 again");
  r.settle();
  EXPECT_TRUE(r.export_done) << r.log.all();
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST_F(ExportSpool, StopWhileItIsSentStillCommits) {
  r.exported.stop("signal 15");
  r.settle();
  EXPECT_FALSE(r.export_done) << "the sink has not taken it yet";
  r.sink->release();
  r.settle();
  EXPECT_TRUE(r.export_done);
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
  EXPECT_EQ(r.tape.data(), "aaaabbbb");
}

TEST_F(ExportSpool, CancelWhileItIsSentAborts) {
  r.exported.stop("signal 15");
  r.exported.cancel_commit("signal 15 again");
  r.settle();
  EXPECT_TRUE(r.export_done);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_TRUE(r.tape.all_ended_once());
  EXPECT_TRUE(r.log.says("signal 15 again")) << r.log.all();
}

TEST(ExportEnd, FailedStreamGivesEioWhileTheNextStreamCommits) {
  rig r(rig::streams(2));
  writer_client a(r, "a");
  a.write(10, "abc");
  EXPECT_EQ(a.write(0, "behind").error, wire_error::inval);
  EXPECT_EQ(r.exported.aborted(), 1u);
  writer_client b(r, "b");
  EXPECT_EQ(b.write(0, "bb").error, wire_error::none);
  EXPECT_EQ(a.write(13, "more").error, wire_error::io);
  a.leave(stream::disconnect::clean);
  EXPECT_TRUE(r.exported.stream_open()) << "its leaving does not end the stream of another";
  b.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_EQ(r.tape.data(), "bb");
}

}  // namespace
}  // namespace nbdstream::test
