// SPDX-License-Identifier: BSD-3-Clause
//
// SIGTERM ends nbdstream soon, whatever its peers do. And the errors that clients get meanwhile.
#include "support/integration_test.hpp"
#include "support/scripted_client.hpp"

namespace nbdstream::test {
namespace {

/// Longer than any grace in these tests; far less than the time that a peer has by default.
constexpr auto soon = std::chrono::seconds(4);

constexpr std::uint32_t option_go = 7, option_list = 3;
constexpr std::uint32_t reply_shutdown = 0x80000007;

class Sigterm : public integration_test {
 protected:
  /// A peer that has sent all of `script`. The server has read it, since it serves the later
  /// nbdinfo.
  peer start_peer(const scripted_client& script) const {
    peer it = connect_unix(path("sock"));
    it.send(script.script());
    EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
    return it;
  }

  process start_server() const {
    return start_listening({"--sink", "fifo:output", "--grace", "500ms"});
  }

  static void expect_end(process& server, int status) {
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(status, server.wait(soon)));
  }

  /// nbdstream in a commit that waits for its reader.
  struct committing {
    process server;
    peer reader;
  };
  committing start_committing() const {
    process server = start_server();
    peer reader = open_fifo(path("output"));
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'almost done', 0); h.shutdown()")));
    return {std::move(server), std::move(reader)};
  }
  void tell_to_end(const process& server) const {
    server.signal(SIGTERM);
    EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(path("sock")); }));
  }
  static void finish(committing& c) {
    EXPECT_EQ(c.reader.drain(), ending::end_of_file);
    EXPECT_TRUE(ended_with(0, c.server.wait()));
  }
};

TEST_F(Sigterm, DoesNotWaitForRestOfRequest) {
  process server = start_server();
  peer slow = start_peer(scripted_client().flags().go().raw(
      request_message(0, scripted_client::write_command, 1, 0, 512).substr(0, 20)));
  expect_end(server, 128 + SIGTERM);
}

/// A reader is connected, so that only the payload is missing.
TEST_F(Sigterm, DoesNotWaitForRestOfPayload) {
  process server = start_server();
  peer reader = open_fifo(path("output"));
  const std::string part(600'000, 'x');
  peer slow = connect_unix(path("sock"));
  slow.send(scripted_client()
                .flags()
                .go()
                .raw(request_message(0, scripted_client::write_command, 1, 0, MiB) + part)
                .script(),
            &reader);
  expect_end(server, 128 + SIGTERM);
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_LE(reader.received().size(), part.size());
}

TEST_F(Sigterm, DoesNotWaitForRestOfOutOfOrderPayload) {
  process server = start_server();
  peer reader = open_fifo(path("output"));
  peer slow = start_peer(scripted_client().flags().go().write(0, "x").raw(
      request_message(0, scripted_client::write_command, 2, 65536, 65536) +
      std::string(1000, 'x')));
  expect_end(server, 128 + SIGTERM);
  EXPECT_EQ(reader.drain(), ending::end_of_file);
}

TEST_F(Sigterm, DoesNotWaitForMissingReader) {
  process server = start_server();
  peer writer = start_peer(scripted_client().flags().go().write(0, "hello"));
  expect_end(server, 128 + SIGTERM);
}

/// The client writes more than a pipe can hold.
TEST_F(Sigterm, DoesNotWaitForReaderThatStoppedReading) {
  process server = start_server();
  peer reader = open_fifo(path("output"));
  process writer = start_client("send(bytes(16 << 20))");
  reader.take(65536);
  expect_end(server, 128 + SIGTERM);
  EXPECT_NE(writer.wait().status, 0);
}

/// A socket buffer holds only a small part of 32 MiB.
TEST_F(Sigterm, DoesNotWaitForPeerThatReadsNoLargeReplies) {
  process server = start_server();
  scripted_client script;
  script.flags().go();
  for (int i = 0; i < 4; ++i) script.read(0, 32 << 20);
  peer deaf = start_peer(script);
  deaf.take(65536);
  expect_end(server, 128 + SIGTERM);
}

TEST_F(Sigterm, DoesNotWaitForPeerThatReadsNoSmallReplies) {
  process server = start_server();
  scripted_client script;
  script.flags().go();
  for (int i = 0; i < 100; ++i) script.flush();
  peer deaf = start_peer(script);
  while (deaf.offer(script.script().substr(script.script().size() - 2800)) == 2800) continue;
  expect_end(server, 128 + SIGTERM);
}

TEST_F(Sigterm, HandshakeGetsShutdownError) {
  committing c = start_committing();
  scripted_client script;
  peer late = start_peer(script.flags());
  tell_to_end(c.server);
  late.send(scripted_client().go().option(option_list).script());
  const std::size_t greeting = 18, header = 20;
  while (late.received().size() < greeting + 2 * (header + 27)) static_cast<void>(late.take(1));
  const std::string& said = late.received();
  for (const std::size_t at : {greeting, greeting + header + 27}) {
    EXPECT_EQ(from_big_endian(said.substr(at + 12), 4), reply_shutdown);
    EXPECT_EQ(said.substr(at + header, 27), "the server is shutting down");
  }
  finish(c);
}

TEST_F(Sigterm, LaterWriteGetsShutdownError) {
  committing c = start_committing();
  process late = start_client(
      "touch('connected')\n"
      "while not os.path.exists('go'): pass\n"
      "fails_with(errno.ESHUTDOWN, h.pwrite, b'too late', 0)\n"
      "fails_with(errno.ESHUTDOWN, h.zero, 4096, 0)\n");
  wait_for("connected");
  tell_to_end(c.server);
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, late.wait()));
  finish(c);
}

}  // namespace
}  // namespace nbdstream::test
