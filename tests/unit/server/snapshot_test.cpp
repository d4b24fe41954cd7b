// SPDX-License-Identifier: BSD-3-Clause
//
// What is seen of an export and its streams from outside, at each moment of their lives.
#include "at_work.hpp"
#include "writer_client.hpp"

namespace nbdstream::test {
namespace {

using status::state;
using stream::disconnect;

nbd_export::settings windowed_disk() {
  auto s = rig::windowed(1 << 20);
  s.config.name = "disk";
  s.config.sink.module = "recorder";
  s.config.size = 4096;
  s.config.streams = 2;
  return s;
}

TEST(Snapshot, StateFollowsTheLifeOfAnExport) {
  rig r(windowed_disk());
  EXPECT_EQ(r.exported.snapshot().now, state::waiting_for_client);
  EXPECT_FALSE(r.exported.snapshot().current);
  r.tape.hold = "open";
  {
    writer_client c(r, "c");
    c.begin_write(0, "abc");
    r.settle();
    EXPECT_EQ(r.exported.snapshot().now, state::waiting_for_reader);
    r.sink->release();
    r.settle();
    EXPECT_EQ(r.exported.snapshot().now, state::streaming);
    r.tape.hold = "commit";
    c.leave(disconnect::clean);
    EXPECT_EQ(r.exported.snapshot().now, state::committing);
    r.sink->release();
    r.settle();
  }
  EXPECT_EQ(r.exported.snapshot().now, state::waiting_for_client);
  writer_client c(r, "c");
  c.write(0, "abc");
  r.tape.hold = "abort";
  c.leave(disconnect::eof);
  EXPECT_EQ(r.exported.snapshot().now, state::aborting);
  r.sink->release();
  r.settle();
  EXPECT_EQ(r.exported.snapshot().now, state::ended);
}

TEST(Snapshot, StateShowsSpoolingAndWaitingForConnections) {
  auto s = rig::ordered(stream::order::spool, 0);
  s.config.settle = std::chrono::hours(1);
  rig r(s);
  writer_client c(r, "c");
  c.zero(0, 10);
  EXPECT_EQ(r.exported.snapshot().now, state::spooling);
  c.leave(disconnect::clean);
  EXPECT_EQ(r.exported.snapshot().now, state::waiting_for_connections);
}

class SnapshotOfClient : public clients_at_work {
 protected:
  SnapshotOfClient() : clients_at_work(windowed_disk()) {}
};

TEST_F(SnapshotOfClient, CountsSentAndHeldBytes) {
  auto& c = connect();
  say(c, [](auto& it) { it.write(0, "abc").zeroes(3, 97).write(100, "def").write(1000, "held"); });
  r.settle();
  const auto seen = r.exported.snapshot();
  EXPECT_EQ(seen.name, "disk");
  EXPECT_EQ(seen.sink, "recorder");
  EXPECT_EQ(seen.size, 4096u);
  EXPECT_EQ(seen.streams, 2u);
  EXPECT_EQ(seen.now, state::waiting_for_gap);
  ASSERT_TRUE(seen.current);
  const auto& s = *seen.current;
  EXPECT_EQ(s.id, 1u);
  EXPECT_EQ(s.count, (status::counters{.sent = 103, .payload = 6, .zeroes = 97}));
  EXPECT_EQ(seen.count, s.count);
  EXPECT_EQ(s.done, 103u);
  EXPECT_EQ(s.total, 4096u);
  EXPECT_EQ(s.held_memory, 4 + stream::window::overhead);
  EXPECT_EQ(s.held_memory_peak, s.held_memory);
  EXPECT_EQ(s.held_spill, 0u);
  EXPECT_EQ(s.writers, 1u);
  EXPECT_EQ(s.acknowledged, std::nullopt) << "this sink does not tell";
  EXPECT_EQ(s.map.cells, "m") << "what is held is shown, not what was sent before it";
  EXPECT_EQ(s.map.cell_bytes, 4096u);
  EXPECT_EQ(c.connection->served->peer().written, 107u);
  EXPECT_TRUE(c.connection->served->peer().joined);
}

TEST(Snapshot, AcknowledgedBytesAreAtMostTheSentBytes) {
  rig r(windowed_disk());
  r.tape.acknowledged = 2;
  EXPECT_FALSE(r.exported.snapshot().current);
  writer_client c(r, "c");
  c.write(0, "abc");
  EXPECT_EQ(r.exported.snapshot().current->acknowledged, 2u);
  r.tape.acknowledged = 1000;
  EXPECT_EQ(r.exported.snapshot().current->acknowledged, 3u);
}

TEST(Snapshot, SharesIdAndStartTimeWithTheSink) {
  rig r(windowed_disk());
  {
    writer_client c(r, "c");
    c.write(0, "abc");
    const auto& info = r.tape.streams.back().info;
    const auto seen = r.exported.snapshot();
    EXPECT_EQ(info.unique_id.size(), 32u);
    EXPECT_EQ(info.unique_id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_EQ(seen.current->unique_id, info.unique_id);
    EXPECT_EQ(seen.current->began, info.began);
    c.leave(disconnect::eof);
  }
  EXPECT_EQ(r.exported.snapshot().recent.back().unique_id, r.tape.streams[0].info.unique_id);
  writer_client c(r, "c");
  c.write(0, "abc");
  EXPECT_NE(r.tape.streams[1].info.unique_id, r.tape.streams[0].info.unique_id);
}

TEST(Snapshot, AddsUpStreamsAndKeepsTheirOutcomes) {
  rig r(windowed_disk());
  {
    writer_client c(r, "c");
    c.write(0, "abc");
    c.leave(disconnect::eof);
  }
  EXPECT_EQ(r.exported.snapshot().last_commit, std::nullopt);
  writer_client c(r, "c");
  c.zero(0, 4096);
  c.leave(disconnect::clean);
  const auto seen = r.exported.snapshot();
  EXPECT_EQ(seen.committed, 1u) << r.log.all();
  EXPECT_EQ(seen.aborted, 1u);
  EXPECT_EQ(seen.count, (status::counters{.sent = 4099, .payload = 3, .zeroes = 4096}));
  EXPECT_TRUE(seen.last_commit);
  ASSERT_EQ(seen.recent.size(), 2u);
  EXPECT_FALSE(seen.recent[0].committed);
  EXPECT_NE(seen.recent[0].reason.find("NBD_CMD_DISC"), std::string::npos);
  EXPECT_EQ(seen.recent[0].count.sent, 3u);
  EXPECT_TRUE(seen.recent[1].committed);
  EXPECT_EQ(seen.recent[1].reason, "");
  EXPECT_EQ(seen.recent[1].id, 2u);
  EXPECT_EQ(seen.recent[1].count.zeroes, 4096u);
}

TEST(Snapshot, KeepsTheLastTwentyOutcomes) {
  rig r(rig::streams(0));
  for (int i = 0; i < 25; ++i) {
    writer_client c(r, "c");
    c.write(0, "abc");
    c.leave(disconnect::clean);
  }
  const auto seen = r.exported.snapshot();
  ASSERT_EQ(seen.recent.size(), 20u);
  EXPECT_EQ(seen.recent.front().id, 6u);
  EXPECT_EQ(seen.recent.back().id, 25u);
  EXPECT_EQ(seen.committed, 25u);
  EXPECT_EQ(seen.count.sent, 75u);
}

}  // namespace
}  // namespace nbdstream::test
