// SPDX-License-Identifier: BSD-3-Clause
//
// Outstanding streams: a signal, or --client-timeout, before a stream must not look like success. A
// signal lets a complete stream finish.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class OutstandingStream : public integration_test {
 protected:
  result stopped(const arguments& args) {
    process server = start_listening(args);
    server.signal(SIGTERM);
    return server.wait();
  }
};

TEST_F(OutstandingStream, SigtermBeforeOnlyStreamFailsAndNamesExport) {
  const result ended = stopped({"--sink", "fifo:output", "-e", "vm1"});
  EXPECT_TRUE(ended_with(128 + SIGTERM, ended));
  EXPECT_TRUE(mentions(ended.err, "export \"vm1\": ended by signal 15 (Terminated)"));
}

TEST_F(OutstandingStream, SigtermBeforeLastOfSeveralStreamsFails) {
  process server = start_listening({"--sink", "file:out.raw", "--streams", "2"});
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()")));
  wait_for("out.raw");
  server.signal(SIGTERM);
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(128 + SIGTERM, ended));
  EXPECT_TRUE(mentions(ended.err, "1 of its streams outstanding"));
}

TEST_F(OutstandingStream, ClientTimeoutWithoutWriteFailsAndIsLogged) {
  const result ended =
      nbdstream({"--sink", "fifo:output", "-U", "sock", "--client-timeout", "100ms"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "no client wrote anything within 100ms"));
}

TEST_F(OutstandingStream, ClientTimeoutEndsCommandThatDoesNotWrite) {
  const result ended = nbdstream(running("exec sleep 1000", {"--client-timeout", "100ms"}));
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "no client wrote anything within 100ms"));
}

TEST_F(OutstandingStream, ClientTimeoutDoesNotEndStartedStream) {
  process server = start_listening({"--sink", "file:out.raw", "--client-timeout", "300ms"});
  process writer = start_client(R"(
import time
h.pwrite(b'hello', 0)
time.sleep(0.6)
h.pwrite(b'world', 5)
h.shutdown()
)");
  EXPECT_TRUE(ended_with(0, writer.wait()));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "helloworld"));
}

/// libnbd sends SIGTERM to the server that it has started, right after it disconnects.
TEST_F(OutstandingStream, NbdcopyInBracketsCommitsDespiteItsSigterm) {
  make_raw(path("in.raw"), 24 * MiB);
  for (const std::string order : {"spool", "spill", "window"}) {
    const result copied = start_shell("nbdcopy --synchronous -- in.raw [ nbdstream --order " +
                                      order + " --size 24M --sink file:out.raw ]")
                              .wait(std::chrono::milliseconds(90'000));
    EXPECT_TRUE(ended_with(0, copied)) << order;
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(path("out.raw")); })) << order;
    EXPECT_TRUE(same_content(path("out.raw"), path("in.raw"))) << order;
    std::filesystem::remove(path("out.raw"));
    EXPECT_EQ(end_leftovers(), std::vector<std::string>());
  }
}

TEST_F(OutstandingStream, DisconnectSentBeforeSigtermCommits) {
  process server = start_listening({"--sink", "file:out.raw", "--order", "spool", "--size", "1M"});
  process writer = start_client(R"(
import os, signal
h.pwrite(b'x' * 1048576, 0)
pid = int(open('pid').read())
os.kill(pid, signal.SIGSTOP)
h.aio_disconnect()
h.poll(1000)
os.kill(pid, signal.SIGTERM)
os.kill(pid, signal.SIGCONT)
)");
  writer.wait();
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(std::filesystem::exists(path("out.raw")));
}

/// The server gives each connection time to disconnect, so that no client sees a reset.
TEST_F(OutstandingStream, EachNbdcopyConnectionDisconnectsCleanly) {
  make_raw(path("in.raw"), 8 * MiB);
  for (int round = 0; round < 12; ++round) {
    process server = start_listening({"--sink", "null", "--size", "8M"});
    const result copied =
        start({"nbdcopy", "--connections=4", "--requests=8", "in.raw", unix_uri}).wait();
    EXPECT_TRUE(ended_with(0, copied));
    EXPECT_TRUE(ended_with(0, server.wait()));
    std::filesystem::remove(path("pid"));
  }
}

}  // namespace
}  // namespace nbdstream::test
