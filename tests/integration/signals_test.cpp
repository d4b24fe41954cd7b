// SPDX-License-Identifier: BSD-3-Clause
//
// SIGTERM and SIGINT, in every state of a stream.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class Signals : public integration_test {
 protected:
  /// nbdstream in the middle of a stream that does not fit into the pipe.
  struct streaming {
    process server;
    peer reader;
  };
  streaming start_streaming() {
    make_raw(path("in.raw"), 16 * MiB);
    process server = start_nbdstream(running(R"(nbdcopy --synchronous in.raw "$uri")"));
    wait_for("output");
    peer reader = open_fifo(path("output"));
    reader.take(65536);
    return {std::move(server), std::move(reader)};
  }

  /// nbdstream in a commit that waits for its reader. It refuses new writes.
  streaming start_committing() {
    process server = start_listening({"--sink", "fifo:output"});
    peer reader = open_fifo(path("output"));
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'almost done', 0); h.shutdown()")));
    const std::string late = "fails_with(errno.ESHUTDOWN, h.pwrite, b'too late', 0)";
    EXPECT_TRUE(ended_with(0, client(late)));
    return {std::move(server), std::move(reader)};
  }
};

class StopSignal : public Signals, public ::testing::WithParamInterface<int> {};

TEST_P(StopSignal, EndsIdleServiceWithStatus0) {
  process server = start_listening({"--sink", "fifo:output", "--streams", "0"});
  server.signal(GetParam());
  EXPECT_TRUE(ended_with(0, server.wait()));
}

TEST_P(StopSignal, AbortsOpenStreamWithStatus128PlusNumber) {
  streaming stream = start_streaming();
  stream.server.signal(GetParam());
  EXPECT_TRUE(ended_with(128 + GetParam(), stream.server.wait()));
  EXPECT_EQ(stream.reader.drain(), ending::end_of_file);
  EXPECT_LT(stream.reader.received().size(), 16 * MiB);
}

TEST_P(StopSignal, EndsCommandThatHasNotWritten) {
  process server = start_nbdstream(running("touch begun; exec sleep 1000"));
  wait_for("begun");
  server.signal(GetParam());
  EXPECT_TRUE(ended_with(128 + GetParam(), server.wait()));
}

INSTANTIATE_TEST_SUITE_P(Signals, StopSignal, ::testing::Values(SIGTERM, SIGINT),
                         [](const auto& each) {
                           return each.param == SIGTERM ? "Sigterm" : "Sigint";
                         });

TEST_F(Signals, SigtermReachesProcessGroupOfCommand) {
  process server = start_nbdstream(
      running("(trap 'touch told; exit' TERM; touch begun; while :; do sleep 0.01; done) & wait"));
  wait_for("begun");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  wait_for("told");
}

TEST_F(Signals, CommandThatIgnoresSigtermIsKilledAfterGrace) {
  process server = start_nbdstream(
      running("trap '' TERM; touch begun; while :; do sleep 0.01; done", {"--grace", "100ms"}));
  wait_for("begun");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(Signals, SigtermLetsCommitFinishAndRefusesNewClients) {
  streaming stream = start_committing();
  stream.server.signal(SIGTERM);
  EXPECT_TRUE(eventually([&] {
    return start({"nbdinfo", "--size", unix_uri}).wait().status != 0;
  }));
  EXPECT_TRUE(stream.server.running());
  EXPECT_EQ(stream.reader.drain(), ending::end_of_file);
  EXPECT_EQ(stream.reader.received(), "almost done");
  EXPECT_TRUE(ended_with(0, stream.server.wait()));
}

TEST_F(Signals, SecondSigtermAbortsCommit) {
  streaming stream = start_committing();
  stream.server.signal(SIGTERM);
  // Two pending signals count as one, so the server must have handled the first.
  EXPECT_TRUE(eventually([&] {
    return start({"nbdinfo", "--size", unix_uri}).wait().status != 0;
  }));
  stream.server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, stream.server.wait()));
}

/// The signal comes while nbdstream shuts down.
TEST_F(Signals, SigtermAfterCommitKeepsStatus0) {
  for (int i = 0; i < 10; ++i) {
    process server =
        start_nbdstream({"--sink", "null", "--run", client_command("h.pwrite(b'x', 0)")});
    EXPECT_TRUE(eventually([&] { return server.err().find("committed") != std::string::npos; }));
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(0, server.wait()));
  }
}

TEST_F(Signals, ExitWithParentNeedsNoSignal) {
  EXPECT_TRUE(ended_with(0, start_shell("nbdstream --exit-with-parent --sink fifo:output"
                                        " -U sock -P pid 2>log &"
                                        "until [ -e pid ]; do sleep 0.01; done")
                                .wait()));
  EXPECT_EQ(end_leftovers(), std::vector<std::string>());
}

}  // namespace
}  // namespace nbdstream::test
