// SPDX-License-Identifier: BSD-3-Clause
//
// The deadlines of a session, with real but short times.
#include "scenarios.hpp"

namespace nbdstream::test {
namespace {

constexpr auto soon = std::chrono::milliseconds(20);

TEST(SessionTime, HandshakeThatStopsAtAnyByteTimesOut) {
  scripted_client c;
  c.flags().go();
  rig r;
  r.settings.handshake_timeout = soon;
  for (std::size_t at = 0; at < c.script().size(); ++at) {
    auto& connection = r.connect(c.script().substr(0, at));
    connection.tape.stays = true;
    r.go(connection);
  }
  const bool all_closed = run_until(r.loop, [&] {
    return std::ranges::all_of(r.connections, [](auto& one) { return one.done; });
  });
  EXPECT_TRUE(all_closed);
  EXPECT_TRUE(r.tape.calls.empty());
}

TEST(SessionTime, UnreadHandshakeTimesOut) {
  rig r;
  r.settings.handshake_timeout = soon;
  auto& connection = r.connect("");
  connection.tape.stays = true;
  connection.tape.reads = false;
  r.go(connection);
  EXPECT_TRUE(run_until(r.loop, [&] { return connection.done; }));
}

TEST(SessionTime, EndlessOptionsDoNotExtendTheHandshakeTimeout) {
  rig r;
  r.settings.handshake_timeout = soon;
  scripted_client c;
  c.flags();
  auto& connection = r.connect(c.script());
  connection.tape.stays = true;
  r.go(connection);
  int sent = 0;
  const bool closed = run_until(r.loop, [&] {
    if (sent < 60) connection.tape.send(option_message(3));
    ++sent;
    return connection.done;
  });
  EXPECT_TRUE(closed);
}

TEST(SessionTime, IdleClientIsNotTimedOut) {
  rig r;
  r.settings.handshake_timeout = soon;
  r.settings.payload_timeout = soon;
  scripted_client c;
  c.flags().go().write(0, "ab");
  auto& connection = r.connect(c.script());
  connection.tape.stays = true;
  r.go(connection);
  const auto end = io::clock::now() + 4 * soon;
  EXPECT_TRUE(run_until(r.loop, [&] { return io::clock::now() >= end; }));
  EXPECT_FALSE(connection.done);
  scripted_client rest;
  rest.disc();
  connection.tape.send(rest.script());
  r.settle();
  EXPECT_TRUE(connection.done);
  EXPECT_EQ(r.tape.commits(), 1u);
}

TEST(SessionTime, StalledPayloadTimesOutAndAborts) {
  const std::string payload(200'000, 'x');
  scripted_client c;
  c.flags().go().write(0, "ab").write(2, payload);
  const auto header_end = c.script().size() - payload.size();
  for (const auto path : all_paths) {
    for (const std::size_t arrived : {0, 1, 65'535, 65'536, 100'000, 199'999}) {
      rig r(rig::plain(), path);
      r.settings.payload_timeout = soon;
      auto& connection = r.connect(c.script().substr(0, header_end + arrived));
      connection.tape.stays = true;
      r.go(connection);
      EXPECT_TRUE(run_until(r.loop, [&] { return connection.done; })) << arrived;
      r.settle();
      EXPECT_EQ(r.exported.aborted(), 1u) << arrived;
      EXPECT_TRUE(r.tape.all_ended_once());
      EXPECT_TRUE(r.log.says("timed out"));
    }
  }
}

/// Time enough for a busy machine, between two signs of life and after the last.
constexpr auto patience = std::chrono::milliseconds(400);
constexpr auto pause = std::chrono::milliseconds(250);

void let_pass(rig& r, io::clock::duration time) {
  const auto end = io::clock::now() + time;
  EXPECT_TRUE(run_until(r.loop, [&] { return io::clock::now() >= end; }));
}

/// On TCP a session is not woken for less than 128 KiB, and yet must know that something comes.
TEST(SessionTime, TricklingPayloadTimesOutOnlyAfterItStops) {
  const std::string payload(200'000, 'x');
  scripted_client c;
  c.flags().go().write(0, payload);
  const auto script = c.script();
  const auto begin = script.size() - 100'000;
  rig r(rig::plain(), data_path::spliced);
  r.settings.payload_timeout = patience;
  auto& connection = r.connect(script.substr(0, begin));
  connection.tape.stays = connection.tape.low_water = true;
  r.go(connection);
  for (std::size_t at = begin; at < begin + 4000; at += 1000) {
    let_pass(r, pause);
    ASSERT_FALSE(connection.done) << r.log.all();
    connection.tape.send(script.substr(at, 1000));
  }
  EXPECT_TRUE(run_until(r.loop, [&] { return connection.done; })) << "nothing comes any more";
  EXPECT_TRUE(r.log.says("timed out")) << r.log.all();
  r.settle();
  EXPECT_EQ(r.exported.aborted(), 1u);
}

/// A client that has asked for `bytes` of the disk, and takes nothing.
class SlowReader : public ::testing::Test {
 protected:
  static constexpr std::size_t bytes = 400'000;

  SlowReader() {
    r.settings.payload_timeout = patience;
    client.flags().go().write(1000, data).read(1000, bytes);
    const auto read_request = client.script().size() - 28;
    connection = &r.connect(client.script().substr(0, read_request));
    connection->tape.stays = true;
    r.go(*connection);
    r.settle();
    connection->tape.reads = false;
    connection->tape.send(client.script().substr(read_request));
    r.settle();
  }
  /// What of one write the server has waiting for it.
  void take_one_piece() {
    const auto had = connection->tape.from_server.size();
    connection->tape.reads = true;
    connection->tape.changed.notify_all();
    const auto took = [&] { return connection->tape.from_server.size() > had; };
    ASSERT_TRUE(run_until(r.loop, took));
    connection->tape.reads = false;
  }

  std::string data = pattern(bytes);
  rig r{rig::windowed(1 << 20)};
  scripted_client client;
  rig::connection* connection = nullptr;
};

TEST_F(SlowReader, KeepsTheConnectionByTakingOnePiecePerTimeout) {
  int pieces = 0;
  const auto answered = [&] { return client.parse(connection->tape.from_server).answers.size(); };
  for (; !connection->done && answered() < 2; ++pieces) {
    let_pass(r, pause);
    ASSERT_FALSE(connection->done) << "after " << pieces << " pieces\n" << r.log.all();
    take_one_piece();
  }
  EXPECT_GT(pieces * pause, 3 * patience) << "it was not slow";
  EXPECT_EQ(client.parse(connection->tape.from_server).answers.at(1).data, data);
  let_pass(r, 2 * patience);
  EXPECT_FALSE(connection->done) << "now it asks for nothing";
}

TEST_F(SlowReader, TimesOutIfItTakesNothing) {
  EXPECT_TRUE(run_until(r.loop, [&] { return connection->done; }));
  EXPECT_TRUE(r.log.says("timed out")) << r.log.all();
  r.settle();
  EXPECT_EQ(r.exported.aborted(), 1u) << "it wrote, and is gone in the middle of a request";
}

TEST_F(SlowReader, TimesOutIfItStopsInsideAReply) {
  take_one_piece();
  take_one_piece();
  EXPECT_TRUE(run_until(r.loop, [&] { return connection->done; }));
  EXPECT_TRUE(r.log.says("timed out")) << r.log.all();
}

TEST(SessionTime, StalledSkippedPayloadTimesOut) {
  rig r;
  r.settings.payload_timeout = soon;
  scripted_client c;
  c.flags().go().request(scripted_client::write_command, 0, 64U << 20, 0, "abc");
  auto& connection = r.connect(c.script());
  connection.tape.stays = true;
  r.go(connection);
  EXPECT_TRUE(run_until(r.loop, [&] { return connection.done; }));
}

TEST(SessionTime, SlowSinkDoesNotTimeOutTheClient) {
  rig r;
  r.settings.payload_timeout = soon;
  r.tape.hold = "open";
  scripted_client c;
  c.flags().go().write(0, "ab").disc();
  auto& connection = r.connect(c.script());
  r.go(connection);
  const auto end = io::clock::now() + 4 * soon;
  EXPECT_TRUE(run_until(r.loop, [&] { return io::clock::now() >= end; }));
  EXPECT_FALSE(connection.done);
  r.sink->release();
  r.settle();
  EXPECT_TRUE(connection.done);
  EXPECT_EQ(r.tape.commits(), 1u);
}

}  // namespace
}  // namespace nbdstream::test
