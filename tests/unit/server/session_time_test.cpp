// SPDX-License-Identifier: BSD-3-Clause
//
// The deadlines of a session, with real but short times.
#include "scenarios.hpp"

namespace nbdstream::test {
namespace {

constexpr auto soon = std::chrono::milliseconds(20);

TEST(SessionTime, AHandshakeThatStopsAtAnyByteIsClosed) {
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

TEST(SessionTime, AClientThatDoesNotReadTheHandshakeIsClosed) {
  rig r;
  r.settings.handshake_timeout = soon;
  auto& connection = r.connect("");
  connection.tape.stays = true;
  connection.tape.reads = false;
  r.go(connection);
  EXPECT_TRUE(run_until(r.loop, [&] { return connection.done; }));
}

TEST(SessionTime, OptionsWithoutEndDoNotPushTheHandshakesDeadline) {
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

TEST(SessionTime, AnIdleClientMayStayForEver) {
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

TEST(SessionTime, APayloadWithoutProgressIsClosedAndTheStreamAborted) {
  const std::string payload(200'000, 'x');
  scripted_client c;
  c.flags().go().write(0, "ab").write(2, payload);
  const auto header_end = c.script().size() - payload.size();
  for (const std::size_t arrived : {0, 1, 65'535, 65'536, 100'000, 199'999}) {
    rig r;
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

TEST(SessionTime, ASkippedPayloadHasADeadlineToo) {
  rig r;
  r.settings.payload_timeout = soon;
  scripted_client c;
  c.flags().go().request(scripted_client::write_command, 0, 64U << 20, 0, "abc");
  auto& connection = r.connect(c.script());
  connection.tape.stays = true;
  r.go(connection);
  EXPECT_TRUE(run_until(r.loop, [&] { return connection.done; }));
}

TEST(SessionTime, ASlowSinkIsNotTheClientsFault) {
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
