// SPDX-License-Identifier: BSD-3-Clause
//
// The reader has stopped: the server and its clients wait, and use no processor time.
#include "support/data_path_test.hpp"

namespace nbdstream::test {
namespace {

class StoppedReader : public data_path_test {
 protected:
  pipe_pair pipe_ = make_pipe();

  [[nodiscard]] process start_server(const arguments& more) {
    process server = start_into(pipe_.write.get(), more);
    pipe_.write.reset();
    return server;
  }
  void expect_the_whole_stream(talker& client, process& server) {
    EXPECT_TRUE(client.ends_well(&pipe_.read));
    EXPECT_TRUE(ended_with(0, server.wait()));
    EXPECT_TRUE(pipe_.read.received() == client.expected);
  }
};

struct kind {
  const char* name;
  arguments how;
  void (*add)(talker&);
  bool inherits = false;  ///< the server inherits the pipe, and cannot open it anew
};

void add_payload(talker& to) {
  for (int i = 0; i < 2; ++i) to.data(MiB + 1);
}

/// The server sends zeroes only when data follow them.
void add_zeroes(talker& to) {
  to.zeroes(2 * MiB + 1);
  to.data(1);
}

class StoppedReaderWait : public StoppedReader, public ::testing::WithParamInterface<kind> {};

/// A pipe of one page holds at most a page of spliced payload, and may hold less.
TEST_P(StoppedReaderWait, UsesNoProcessorTime) {
  if (GetParam().inherits) forbid_reopening(pipe_.write);
  process server = start_server(GetParam().how);
  talker client = over_unix();
  warm_up(client, pipe_.read);
  for (const int size : {0, 4096}) {
    if (size > 0) checked(::fcntl(pipe_.read.fd(), F_SETPIPE_SZ, size), "F_SETPIPE_SZ");
    GetParam().add(client);
    say_what_is_taken(client, server);
    EXPECT_GT(unread(pipe_.read), 0);
    client.say(&pipe_.read);
    pipe_.read.take(client.expected.size() - pipe_.read.received().size());
  }
  expect_the_whole_stream(client, server);
}

INSTANTIATE_TEST_SUITE_P(
    Sending, StoppedReaderWait,
    ::testing::Values(kind{"Payload", {}, add_payload},
                      kind{"InheritedPayload", {}, add_payload, true},
                      kind{"CopiedPayload", {"--data-path", "copy"}, add_payload},
                      kind{"SmallPayload",
                           {},
                           [](talker& to) {
                             for (int i = 0; i < 2000; ++i) to.data(1001);
                           }},
                      kind{"Zeroes", {}, add_zeroes}, kind{"InheritedZeroes", {}, add_zeroes, true},
                      kind{"SpilledPayload",
                           {"--order", "spill"},
                           [](talker& to) { to.late(100'001, 2 * MiB); }}),
    [](const auto& each) { return each.param.name; });

class Backpressure : public StoppedReader, public ::testing::WithParamInterface<std::uint64_t> {};

TEST_P(Backpressure, MakesTheClientWaitAndBuffersLessThan16Mib) {
  process server = start_server({});
  talker client = over_unix();
  warm_up(client, pipe_.read);
  const auto before = memory(server, "VmRSS");
  constexpr std::uint64_t offered = 32 * MiB;
  const auto piece = pattern(GetParam());
  client.expected.reserve(offered + MiB);
  for (std::uint64_t i = 0; i < offered / piece.size(); ++i) {
    client.script.write(client.expected.size(), piece);
    client.expected += piece;
  }
  EXPECT_LT(say_what_is_taken(client, server), 16 * MiB);
  EXPECT_LT(memory(server, "VmRSS"), before + 16 * MiB);
  client.say(&pipe_.read);
  expect_the_whole_stream(client, server);
}

INSTANTIATE_TEST_SUITE_P(RequestSize, Backpressure, ::testing::Values(4 * KiB, 32 * MiB));

TEST_F(StoppedReader, DoesNotDelayOtherClients) {
  process server = start_server({});
  talker writer = over_unix();
  warm_up(writer, pipe_.read);
  for (int i = 0; i < 64; ++i) writer.data(64 * KiB);
  say_what_is_taken(writer, server);
  talker other = over_unix();
  other.script.flush().read(writer.expected.size(), 512).write(writer.expected.size(), "ahead");
  other.say();
  other.wait_for_answers(3);
  EXPECT_FALSE(writer.unsaid().empty());
  writer.expected += "ahead";
  writer.say(&pipe_.read);
  other.script.disc();
  other.say();
  other.connection.drain();
  EXPECT_TRUE(other.was_answered(0));
  expect_the_whole_stream(writer, server);
}

/// Another process that shares the pipe may change its flags during the stream.
TEST_F(StoppedReader, DoesNotDelaySigtermIfThePipeIsMadeBlocking) {
  forbid_reopening(pipe_.write);
  const int blocking = flags(pipe_.write);
  checked(::fcntl(pipe_.write.get(), F_SETFL, blocking | O_NONBLOCK), "F_SETFL");
  process server = start_into(pipe_.write.get());
  talker client = over_unix();
  warm_up(client, pipe_.read);
  checked(::fcntl(pipe_.write.get(), F_SETFL, blocking), "F_SETFL");
  for (int i = 0; i < 200; ++i) client.data(16 * KiB);
  EXPECT_LT(say_what_is_taken(client, server), client.expected.size());
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait(std::chrono::seconds(5))));
}

}  // namespace
}  // namespace nbdstream::test
