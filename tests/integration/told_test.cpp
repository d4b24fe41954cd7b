// SPDX-License-Identifier: BSD-3-Clause
//
// --end told: the script that runs a job tells nbdstream how the job has ended, and learns the
// outcome of the stream.
#include "support/told_test.hpp"

namespace nbdstream::test {
namespace {

class EndTold : public told_test {
 protected:
  /// Ends a server that got no decision.
  void expect_end_by_sigterm(process& server) const {
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
    expect_nothing_looks_complete();
  }
};

TEST_F(EndTold, CommitAfterNbdcopyStoresDisk) {
  process server = start_told();
  write_in_raw();
  const result commit = ctl({"commit"});
  EXPECT_TRUE(ended_with(0, commit));
  EXPECT_EQ(commit.out.find("committed: 4194304 bytes in "), 0U) << commit.out;
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(EndTold, CommitAfterQemuImgStoresDisk) {
  make_disk();
  process server = start_told({"--sink", "file:out.raw", "--size", "8M"});
  EXPECT_TRUE(ended_with(
      0, start({"qemu-img", "convert", "-n", "in.qcow2", "-O", "raw", unix_uri}).wait()));
  EXPECT_TRUE(ended_with(0, ctl({"commit"})));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

/// A client of libnbd without shutdown(). Without a decision its stream would be aborted.
TEST_F(EndTold, CommitNeedsNoDisconnect) {
  process server = start_told();
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'abc', 0)")));
  EXPECT_TRUE(ended_with(0, ctl({"commit"})));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "abc"));
}

TEST_F(EndTold, AbortLeavesNothingAndLogsItsReason) {
  process server = start_told();
  write_in_raw();
  EXPECT_TRUE(ended_with(0, ctl({"abort", "--reason", "the job was cancelled"})));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "told to abort: the job was cancelled"));
  expect_nothing_looks_complete();
}

TEST_F(EndTold, AbortAcceptsReasonOfAnyLengthAndBytes) {
  process server = start_told({"--sink", "file:out.raw", "--streams", "0"});
  write_in_raw();
  EXPECT_TRUE(log_says(server, "waiting for a commit or an abort through --control"));
  const std::string reason = "the tape \xff\n said: " + std::string(2000, 'x');
  EXPECT_TRUE(ended_with(0, ctl({"abort", "--reason", reason})));
  EXPECT_TRUE(log_says(server, "told to abort: the tape \xef\xbf\xbd\\x0a said: xxx"));
  const std::string table = ctl({"status"}).out;
  EXPECT_TRUE(mentions(table, "0 committed, 1 aborted"));
  EXPECT_TRUE(mentions(table, "aborted: told to abort: the tape"));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(1, server.wait()));  // a stream was aborted
}

TEST_F(EndTold, CtlTimesOutWhileServerIsStopped) {
  process server = start_told();
  write_in_raw();
  server.signal(SIGSTOP);
  const result ended = ctl({"commit", "--timeout", "100ms"});
  server.signal(SIGCONT);
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "nbdstream does not answer in time"));
  EXPECT_TRUE(ended_with(0, server.wait()));  // it does what it was told
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(EndTold, SigtermAbortsUndecidedStream) {
  process server = start_told();
  write_in_raw();
  EXPECT_TRUE(status_says("\"state\":\"waiting_for_decision\""));
  expect_end_by_sigterm(server);
}

TEST_F(EndTold, CommitWaitsForConnectedClient) {
  process server = start_told();
  process writer = start_client(R"(
h.pwrite(b'abc', 0)
touch('written')
while not os.path.exists('go'):
    pass
h.pwrite(b'def', 3)
)");
  wait_for("written");
  process commit = start_ctl({"commit"});
  EXPECT_TRUE(log_says(server, "told to commit"));
  EXPECT_TRUE(commit.running());
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, commit.wait()));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_FALSE(mentions(ended.err, "waiting for a commit or an abort")) << ended.err;
  EXPECT_TRUE(ended_with(0, writer.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "abcdef"));
}

TEST_F(EndTold, CommitIsRefusedWhileClientStaysConnected) {
  process server = start_told({"--sink", "file:out.raw", "--run-grace", "200ms"});
  process writer = start_client("h.pwrite(b'abc', 0); touch('written'); stay()");
  wait_for("written");
  const result refused = http({"-X", "POST", "http://localhost/v1/commit"});
  EXPECT_TRUE(mentions(refused.out, "still connected"));
  EXPECT_TRUE(mentions(refused.out, "\n409"));
  EXPECT_TRUE(status_says("\"state\":\"streaming\""));
  writer.signal(SIGKILL);
  EXPECT_TRUE(ended_with(0, ctl({"commit"})));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "abc"));
}

TEST_F(EndTold, CommitReportsMissingBytesAndWorksOnceWritten) {
  process server = start_told({"--sink", "file:out.raw", "--size", "1M", "--gaps", "refuse"});
  EXPECT_TRUE(ended_with(0, client("send(b'a' * 512 * 1024); h.shutdown()")));
  const result refused = ctl({"commit"});
  EXPECT_TRUE(ended_with(1, refused));
  EXPECT_TRUE(mentions(refused.err, "524288 bytes were not covered"));
  EXPECT_TRUE(ended_with(0, client("send(b'b' * 512 * 1024, 512 * 1024); h.shutdown()")));
  EXPECT_TRUE(ended_with(0, ctl({"commit"})));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(holds(path("out.raw"), std::string(512 * KiB, 'a') + std::string(512 * KiB, 'b')));
}

TEST_F(EndTold, CommitIsRefusedBeforeAnyWrite) {
  process server = start_told();
  const result refused = ctl({"commit"});
  EXPECT_TRUE(ended_with(1, refused));
  EXPECT_TRUE(mentions(refused.err, "no stream is open"));
  expect_end_by_sigterm(server);
}

TEST_F(EndTold, EachStreamTakesOneCommit) {
  process server = start_told({"--sink", "exec:cat > out.$NBDSTREAM_STREAM", "--streams", "0"});
  for (const std::string data : {"one", "two"}) {
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'" + data + "', 0); h.shutdown()")));
    EXPECT_TRUE(ended_with(0, ctl({"commit"})));
    EXPECT_TRUE(mentions(ctl({"commit"}).err, "no stream is open"));
  }
  EXPECT_TRUE(status_says("\"committed\":2"));
  EXPECT_TRUE(ended_with(0, ctl({"stop"})));
  EXPECT_TRUE(ended_with(0, server.wait()));
}

TEST_F(EndTold, CtlWaitReturnsOutcomeOfStream) {
  for (const char* end : {"abort", "commit"}) {
    process server = start_told();
    process wait = start_ctl({"wait"});
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'abc', 0); h.shutdown()")));
    EXPECT_TRUE(ended_with(0, ctl({end})));
    const int status = end == std::string("commit") ? 0 : 1;
    EXPECT_TRUE(ended_with(status, server.wait()));
    EXPECT_TRUE(ended_with(status, wait.wait()));
  }
}

TEST_F(EndTold, RunCommandMayCommitByItself) {
  make_raw(path("in.raw"), 4 * MiB);
  const std::string command = R"(nbdcopy in.raw "$uri" && cd / && nbdstream ctl commit)";
  EXPECT_TRUE(ended_with(0, nbdstream({"--control", "control", "--end", "told", "--sink",
                                       "file:out.raw", "--run", command})));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(EndTold, RunCommandWithoutCommitAbortsStream) {
  make_raw(path("in.raw"), 1 * MiB);
  const result ended = nbdstream({"--control", "control", "--end", "told", "--sink", "file:out.raw",
                                  "--run", R"(nbdcopy in.raw "$uri")"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "has exited without a commit"));
  expect_nothing_looks_complete();
}

TEST_F(EndTold, SinkFailureIsReportedToCommitAndWait) {
  process server = start_told({"--sink", "exec:cat > out.part; exit 3"});
  process wait = start_ctl({"wait"});
  write_in_raw();
  const result answered = http({"-X", "POST", "http://localhost/v1/exports//commit"});
  EXPECT_TRUE(mentions(answered.out, "exited with status 3"));
  EXPECT_TRUE(mentions(answered.out, "\n502"));
  EXPECT_TRUE(ended_with(1, server.wait()));
  EXPECT_TRUE(ended_with(1, wait.wait()));
}

/// With --order spool the first write to the sink happens at the commit. It never returns.
TEST_F(EndTold, StuckSinkIsReportedToCommitAtProcessEnd) {
  process server = start_told({"--sink", test_modules + "/stubborn.so", "--option", "log=log",
                               "--order", "spool", "--grace", "200ms"});
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'abc', 0); h.shutdown()")));
  process commit = start_ctl({"commit"});
  EXPECT_TRUE(
      eventually([&] { return read_file(path("log")).find("write") != std::string::npos; }));
  server.signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(path("sock")); }));
  server.signal(SIGTERM);
  const result answered = commit.wait();
  EXPECT_TRUE(ended_with(1, answered));
  EXPECT_TRUE(mentions(answered.err, "does not return"));
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

}  // namespace
}  // namespace nbdstream::test
