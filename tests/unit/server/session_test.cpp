// SPDX-License-Identifier: BSD-3-Clause
#include "server/session.hpp"

#include "scenarios.hpp"

namespace nbdstream::test {
namespace {

using client = scripted_client;

/// A client's script is played to its end; what it was told.
transcript played(rig& r, const client& c) {
  auto& connection = r.connect(c.script());
  r.go(connection);
  r.settle();
  EXPECT_TRUE(connection.done) << r.log.all();
  return c.parse(connection.tape.from_server);
}

TEST(Session, ClientWithoutDataDoesNotOpenTheSink) {
  rig r;
  client c;
  c.flags().go().flush().read(0, 8).write(0, "").zeroes(0, 0).disc();
  const auto said = played(r, c);
  ASSERT_EQ(said.answers.size(), 4u);
  EXPECT_EQ(said.answers[1].data, std::string(8, '\0'));
  EXPECT_TRUE(r.tape.calls.empty());
  EXPECT_FALSE(r.export_done) << "it still waits for its first stream";
}

TEST(Session, PortScanDoesNotOpenTheSink) {
  rig r;
  auto& scan = r.connect("");
  r.go(scan);
  auto& http = r.connect("GET / HTTP/1.1\r\nHost: example\r\n\r\n");
  r.go(http);
  r.settle();
  EXPECT_TRUE(scan.done);
  EXPECT_TRUE(http.done);
  EXPECT_TRUE(r.tape.calls.empty());
}

TEST(Session, ReadOfSentBytesFailsAndTheStreamCommits) {
  rig r;
  client c;
  c.flags().go().write(0, "abcd").read(0, 4).read(2, 8).read(4, 4).write(4, "ef").disc();
  const auto said = played(r, c);
  ASSERT_EQ(said.answers.size(), 5u);
  EXPECT_EQ(said.answers[1].error, 5u);
  EXPECT_EQ(said.answers[2].error, 5u);
  EXPECT_EQ(said.answers[3].error, 0u);
  EXPECT_EQ(r.tape.commits(), 1u);
  EXPECT_EQ(r.tape.data(), "abcdef");
}

TEST(Session, PayloadOfARefusedWriteIsSkipped) {
  rig r;
  client c;
  const std::string much(100'000, 'x');
  c.flags().go().write(0, "ab").write(2, much, 0x8000).read(10, 4).flush().disc();
  const auto said = played(r, c);
  ASSERT_EQ(said.answers.size(), 4u);
  EXPECT_EQ(said.answers[1].error, 22u);
  EXPECT_EQ(said.answers[2].error, 5u) << "nothing of a stream that failed can be read";
  EXPECT_EQ(said.answers[3].error, 5u) << "a flush reports that the stream has failed";
  EXPECT_EQ(r.tape.commits(), 0u);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST(Session, PayloadOver32MibIsSkippedAndOver128MibCloses) {
  rig r;
  client c;
  const std::string large((32 << 20) + 1, 'x');
  c.flags().go().write(0, large).flush().disc();
  const auto said = played(r, c);
  ASSERT_EQ(said.answers.size(), 2u);
  EXPECT_EQ(said.answers[0].error, 22u);

  client worse;
  worse.flags().go().request(client::write_command, 0, (128U << 20) + 1, 0, "abc").flush();
  rig other;
  EXPECT_TRUE(played(other, worse).answers.empty());
  other.exported.no_more_clients();
  other.settle();
  EXPECT_EQ(other.exported.committed(), 0u);
}

TEST(Session, NonzeroDataBeyondTheSizeAbort) {
  rig r(rig::sized(10));
  client c;
  c.flags().go().write(0, "0123456789" + std::string(100, '\0') + "!").disc();
  const auto said = played(r, c);
  ASSERT_EQ(said.answers.size(), 1u);
  EXPECT_EQ(said.answers[0].error, 28u);
  EXPECT_EQ(r.tape.commits(), 0u);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST(Session, WriteBeyondTheEndGivesEnospcAndTrimEinval) {
  rig r(rig::sized(1024));
  client c;
  c.flags().go().trim(1024, 512).zeroes(1024, 1).write(1500, "x").disc();
  const auto said = played(r, c);
  ASSERT_EQ(said.answers.size(), 3u);
  EXPECT_EQ(said.answers[0].error, 22u);
  EXPECT_EQ(said.answers[1].error, 28u);
  EXPECT_EQ(said.answers[2].error, 28u);
}

TEST(Session, FastZeroIsNotSupportedAndTheStreamCommits) {
  rig r;
  client c;
  c.flags().go().write(0, "ab").zeroes(2, 8, client::fast_zero).zeroes(2, 8).disc();
  const auto said = played(r, c);
  ASSERT_EQ(said.answers.size(), 3u);
  EXPECT_EQ(said.answers[1].error, 95u);
  EXPECT_EQ(said.answers[2].error, 0u);
  EXPECT_EQ(r.tape.commits(), 1u);
}

TEST(Session, RequestWithWrongMagicClosesAndAborts) {
  rig r;
  client c;
  c.flags().go().write(0, "ab").raw(std::string(28, 'x')).disc();
  const auto said = played(r, c);
  EXPECT_LE(said.answers.size(), 1u);
  EXPECT_EQ(r.exported.aborted(), 1u);
}

TEST(Session, ClosedGateRefusesGo) {
  rig r;
  r.closed_gate = {protocol::option_reply::err_shutdown, "going down"};
  client c;
  c.flags().go().option(2);
  const auto said = played(r, c);
  ASSERT_EQ(said.options.size(), 2u);
  EXPECT_EQ(said.options[0].type, 0x80000007);
  EXPECT_EQ(said.options[1].type, 1u);
}

TEST(Session, EarlierRepliesAreSentWhileAWriteWaitsForTheSink) {
  rig r;
  client c;
  c.flags().go().flush().read(0, 4).write(0, "ab").disc();
  r.tape.hold = "open";
  auto& connection = r.connect(c.script());
  r.go(connection);
  r.settle();
  ASSERT_TRUE(r.tape.waiting);
  EXPECT_EQ(c.parse(connection.tape.from_server).answers.size(), 2u);
  r.sink->release();
  r.settle();
  EXPECT_TRUE(connection.done);
  EXPECT_EQ(r.tape.commits(), 1u);
}

TEST(Session, HangUpDuringAnySinkCallAborts) {
  for (const char* call : {"open", "write", "zeroes", "flush"}) {
    rig r;
    client c;
    c.flags().go().write(100, "ab", client::fua);
    r.tape.hold = call;
    auto& connection = r.connect(c.script());
    connection.tape.stays = true;
    r.go(connection);
    r.settle();
    ASSERT_TRUE(r.tape.waiting) << call;
    connection.tape.hang_up();
    r.settle();
    EXPECT_TRUE(connection.done) << call;
    EXPECT_EQ(r.exported.aborted(), 1u) << call;
    EXPECT_TRUE(r.tape.all_ended_once()) << call;
  }
}

TEST(Session, RepliesToAClientThatNeverReadsAreBounded) {
  rig r;
  client c;
  c.flags().go();
  for (int i = 0; i < 20'000; ++i) c.flush();
  // It reads the handshake, and then no more.
  auto& connection = r.connect(c.script().substr(0, 4 + 16 + 6));
  connection.tape.stays = true;
  r.go(connection);
  r.settle();
  connection.tape.reads = false;
  connection.tape.send(c.script().substr(4 + 16 + 6));
  r.settle();
  EXPECT_FALSE(connection.done);
  EXPECT_LE(connection.tape.most_offered, 64u << 10);
  EXPECT_LT(connection.tape.sent, c.script().size()) << "it is read no further";
  connection.tape.hang_up();
  r.settle();
  EXPECT_TRUE(connection.done);
}

}  // namespace
}  // namespace nbdstream::test
