// SPDX-License-Identifier: BSD-3-Clause
//
// SIGTERM and SIGINT, in every state of a stream.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class signals : public integration_test {
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

  /// nbdstream when only the reader still has to take the last byte: no write joins any more.
  streaming start_committing() {
    process server = start_listening({"--sink", "fifo:output"});
    peer reader = open_fifo(path("output"));
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'almost done', 0); h.shutdown()")));
    const std::string late = "fails_with(errno.ESHUTDOWN, h.pwrite, b'too late', 0)";
    EXPECT_TRUE(ended_with(0, client(late)));
    return {std::move(server), std::move(reader)};
  }
};

class stop_signals : public signals, public ::testing::WithParamInterface<int> {};

TEST_P(stop_signals, end_an_idle_service_with_status_0) {
  process server = start_listening({"--sink", "fifo:output", "--streams", "0"});
  server.signal(GetParam());
  EXPECT_TRUE(ended_with(0, server.wait()));
}

TEST_P(stop_signals, abort_an_open_stream_with_128_and_the_number) {
  streaming stream = start_streaming();
  stream.server.signal(GetParam());
  EXPECT_TRUE(ended_with(128 + GetParam(), stream.server.wait()));
  EXPECT_EQ(stream.reader.drain(), ending::end_of_file);
  EXPECT_LT(stream.reader.received().size(), 16 * MiB);
}

TEST_P(stop_signals, end_a_command_that_has_not_written) {
  process server = start_nbdstream(running("touch begun; exec sleep 1000"));
  wait_for("begun");
  server.signal(GetParam());
  EXPECT_TRUE(ended_with(128 + GetParam(), server.wait()));
}

INSTANTIATE_TEST_SUITE_P(signals, stop_signals, ::testing::Values(SIGTERM, SIGINT));

TEST_F(signals, reach_the_whole_process_group_of_the_command) {
  process server = start_nbdstream(
      running("(trap 'touch told; exit' TERM; touch begun; while :; do sleep 0.01; done) & wait"));
  wait_for("begun");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  wait_for("told");
}

TEST_F(signals, kill_a_command_that_ignores_them_after_the_grace) {
  process server = start_nbdstream(
      running("trap '' TERM; touch begun; while :; do sleep 0.01; done", {"--grace", "100ms"}));
  wait_for("begun");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(signals, let_a_commit_finish_and_refuse_new_clients_meanwhile) {
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

TEST_F(signals, abort_a_commit_the_second_time) {
  streaming stream = start_committing();
  stream.server.signal(SIGTERM);
  // Two signals that are pending at once are one: the first must have been seen.
  EXPECT_TRUE(eventually([&] {
    return start({"nbdinfo", "--size", unix_uri}).wait().status != 0;
  }));
  stream.server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, stream.server.wait()));
}

/// While it takes itself apart.
TEST_F(signals, change_nothing_once_the_stream_is_committed) {
  for (int i = 0; i < 10; ++i) {
    process server =
        start_nbdstream({"--sink", "null", "--run", client_command("h.pwrite(b'x', 0)")});
    EXPECT_TRUE(eventually([&] { return server.err().find("committed") != std::string::npos; }));
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(0, server.wait()));
  }
}

TEST_F(signals, are_not_needed_when_the_parent_ends) {
  EXPECT_TRUE(ended_with(0, start_shell("nbdstream --exit-with-parent --sink fifo:output"
                                        " -U sock -P pid 2>log &"
                                        "until [ -e pid ]; do sleep 0.01; done")
                                .wait()));
  EXPECT_EQ(end_leftovers(), std::vector<std::string>());
}

}  // namespace
}  // namespace nbdstream::test
