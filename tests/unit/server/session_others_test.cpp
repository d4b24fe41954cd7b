// SPDX-License-Identifier: BSD-3-Clause
//
// Several connections at once.
#include "scenarios.hpp"

namespace nbdstream::test {
namespace {

using client = scripted_client;

TEST(SessionConnections, TwoMakeOneStreamInOffsetOrder) {
  rig r;
  client a;
  a.flags().go().write(0, "aaaa");
  client b;
  b.flags().go().write(4, "bbbb").disc();
  auto& first = r.connect(a.script());
  first.tape.stays = true;
  r.go(first);
  r.settle();
  auto& second = r.connect(b.script());
  r.go(second);
  r.settle();
  EXPECT_TRUE(second.done);
  EXPECT_EQ(r.exported.committed(), 0u) << "the first has not said goodbye";
  client rest;
  rest.disc();
  first.tape.send(rest.script());
  r.settle();
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_EQ(r.tape.data(), "aaaabbbb");
}

TEST(SessionConnections, WriteDuringTheLastCommitGetsShutdown) {
  rig r;
  r.tape.hold = "commit";
  client a;
  a.flags().go().write(0, "aaaa").disc();
  r.go(r.connect(a.script()));
  r.settle();
  ASSERT_TRUE(r.tape.waiting);
  auto& late = r.connect(a.script());
  r.go(late);
  r.settle();
  EXPECT_TRUE(late.done);
  const auto said = a.parse(late.tape.from_server);
  ASSERT_EQ(said.answers.size(), 1u);
  EXPECT_EQ(said.answers[0].error, 108u);
  r.sink->release();
  r.settle();
  EXPECT_EQ(r.exported.committed(), 1u);
  EXPECT_EQ(r.tape.streams.size(), 1u);
}

TEST(SessionConnections, HangUpWhileWaitingForACommitOpensNoStream) {
  rig r(rig::streams(0));
  r.tape.hold = "commit";
  client a;
  a.flags().go().write(0, "aaaa").disc();
  r.go(r.connect(a.script()));
  r.settle();
  client b;
  b.flags().go().write(0, "bb");
  auto& gone = r.connect(b.script());
  gone.tape.stays = true;
  r.go(gone);
  r.settle();
  gone.tape.hang_up();
  r.settle();
  // The commit ends, and the sink has no reader yet for the next stream.
  r.sink->release("open");
  r.settle();
  ASSERT_EQ(r.exported.committed(), 1u);
  EXPECT_TRUE(gone.done) << "a client that is long gone waits for a reader";
  EXPECT_FALSE(r.exported.stream_open());
}

/// Whatever makes it believe that its peer has left: what it could not deliver is not there.
TEST(SessionConnections, HangUpInsideAWriteAbortsDespiteLaterBytes) {
  rig r;
  client idle;
  auto& other = r.connect(idle.flags().go().script());
  other.tape.stays = true;
  r.go(other);
  client a;
  const auto script = a.flags().go().write(0, "aaaa").disc().script();
  auto& lost = r.connect(script.substr(0, script.size() - 30));
  lost.tape.stays = true;
  r.go(lost);
  r.settle();
  lost.tape.hung_up = true;
  lost.tape.changed.notify_all();
  r.settle();
  lost.tape.send(script.substr(script.size() - 30));
  r.settle();
  EXPECT_TRUE(lost.done);
  EXPECT_EQ(r.tape.commits(), 0u);
  EXPECT_EQ(r.exported.aborted(), 1u);
}

TEST(SessionConnections, CutAtTheStartOfAPayloadDoesNotAbort) {
  rig r(rig::streams(0));
  client a;
  a.flags().go().write(0, "aaaa");
  auto& first = r.connect(a.script());
  first.tape.stays = true;
  r.go(first);
  r.settle();
  client b;
  b.flags().go().request(client::write_command, 4, 1000, 0, "only the beginning");
  r.go(r.connect(b.script()));
  r.settle();
  EXPECT_EQ(r.exported.aborted(), 0u) << "nothing of it had reached the stream";
  EXPECT_EQ(r.tape.data(), "aaaa");
}

TEST(SessionConnections, QueuedWriteGetsEioWhenTheWriterHangsUp) {
  rig r(rig::streams(0));
  client a;
  const std::string half(100'000, 'a');
  a.flags().go().request(client::write_command, 0, 200'000, 0, half);
  auto& first = r.connect(a.script());
  first.tape.stays = true;
  r.go(first);
  r.settle();
  client b;
  b.flags().go().write(200'000, "bb").flush().disc();
  auto& second = r.connect(b.script());
  r.go(second);
  r.settle();
  EXPECT_FALSE(second.done);
  first.tape.hang_up();
  r.settle();
  EXPECT_TRUE(first.done);
  EXPECT_TRUE(second.done);
  const auto said = b.parse(second.tape.from_server);
  ASSERT_EQ(said.answers.size(), 2u);
  EXPECT_EQ(said.answers[0].error, 5u);
  EXPECT_EQ(said.answers[1].error, 5u);
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_EQ(r.exported.committed(), 0u);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST(SessionConnections, HangUpOfAQueuedWriterAborts) {
  rig r(rig::streams(0));
  client a;
  a.flags().go().request(client::write_command, 0, 200'000, 0, std::string(100'000, 'a'));
  auto& first = r.connect(a.script());
  first.tape.stays = true;
  r.go(first);
  r.settle();
  client b;
  b.flags().go().write(200'000, "bb");
  auto& second = r.connect(b.script());
  second.tape.stays = true;
  r.go(second);
  r.settle();
  second.tape.hang_up();
  r.settle();
  EXPECT_EQ(r.exported.aborted(), 1u) << "its bytes will never be answered for";
  first.tape.send(std::string(100'000, 'a'));
  r.settle();
  EXPECT_TRUE(second.done);
  const auto said = a.parse(first.tape.from_server);
  ASSERT_EQ(said.answers.size(), 1u);
  EXPECT_EQ(said.answers[0].error, 5u);
  first.tape.hang_up();
  r.settle();
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST(SessionConnections, KilledClientWithUnreadReplyAbortsUnderRun) {
  for (const bool killed : {false, true}) {
    rig r(decided_by_run(rig::plain()));
    client c;
    c.flags().go().write(0, "abc");
    auto& connection = r.connect(c.script());
    connection.tape.killed = killed;
    r.go(connection);
    r.settle();
    EXPECT_TRUE(connection.done);
    r.command_succeeds();
    EXPECT_TRUE(r.export_done);
    EXPECT_EQ(r.exported.committed(), killed ? 0u : 1u);
  }
}

}  // namespace
}  // namespace nbdstream::test
