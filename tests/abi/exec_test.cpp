// SPDX-License-Identifier: BSD-3-Clause
//
// Streams through the sink `exec`, and how they are committed.
#include <csignal>

#include "exec_fixture.hpp"

namespace sink_tests {
namespace {

TEST_F(ExecSink, CommandGetsStreamAndEndOfFile) {
  sink exec(exec_module, running("cat > out"));
  ASSERT_EQ(exec.created, 0) << exec.explanation();
  const std::string data = pattern(3 << 20);
  EXPECT_EQ(exec.stream(data), 0);
  EXPECT_TRUE(contents_of(here / "out") == data);
}

TEST_F(ExecSink, CommandDoesNotRunBeforeStream) {
  { const sink exec(exec_module, running("touch begun")); }
  EXPECT_TRUE(here.names().empty());
}

TEST_F(ExecSink, EachStreamRunsCommandWithItsOwnVariables) {
  ::setenv("NBDSTREAM_SIZE", "of another stream", 1);
  sink exec(exec_module,
            running("cat > \"out$NBDSTREAM_STREAM,$NBDSTREAM_EXPORT,$NBDSTREAM_SIZE\""));
  EXPECT_EQ(exec.stream("one"), 0);
  EXPECT_EQ(exec.stream("two"), 0);
  ::unsetenv("NBDSTREAM_SIZE");
  EXPECT_EQ(contents_of(here / "out1,,"), "one");
  EXPECT_EQ(contents_of(here / "out2,,"), "two");
}

TEST_F(ExecSink, LendsWriteEndOfLargestPipe) {
  sink exec(exec_module, running("cat > out"));
  ASSERT_EQ(exec.open(), 0);
  EXPECT_EQ(exec.fd_flags(), 0U);
  EXPECT_EQ(::fcntl(exec.fd(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
  EXPECT_EQ(::fcntl(exec.fd(), F_GETFD), FD_CLOEXEC);
  if (::geteuid() == 0) {
    const int maximum = std::atoi(contents_of("/proc/sys/fs/pipe-max-size").c_str());
    EXPECT_EQ(::fcntl(exec.fd(), F_GETPIPE_SZ), maximum);
  }
}

TEST_F(ExecSink, RefusesEmptyCommand) {
  for (const char* nothing : {"", " \t\n"}) {
    const sink refused(exec_module, {{"command", nothing}});
    EXPECT_EQ(refused.created, -EINVAL);
    expect_said(refused, {"empty"});
  }
}

TEST_F(ExecSink, CommandInheritsNoDescriptor) {
  const int inherited = ::open("/dev/null", O_RDONLY);  // not close-on-exec
  sink exec(exec_module, running("cat > out; ls /proc/self/fd > descriptors"));
  EXPECT_EQ(exec.stream("hello"), 0);
  ::close(inherited);
  EXPECT_EQ(contents_of(here / "descriptors"), "0\n1\n2\n3\n");  // the last is the directory
}

TEST_F(ExecSink, CommandHasNoIgnoredOrBlockedSignals) {
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  (void)std::signal(SIGXFSZ, SIG_IGN);
  sink exec(exec_module, running("cat > out; grep -E 'Sig(Ign|Blk)' /proc/self/status > signals"));
  EXPECT_EQ(exec.stream("hello"), 0);
  ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  EXPECT_EQ(contents_of(here / "signals"),
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(GatedExecSink, CommitDoesNotBlockWhileCommandRuns) {
  sink exec(exec_module, running("cat > out; touch read; exec cat gate"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_TRUE(eventually([&] { return exec.commit() == -EAGAIN && exists("read"); }));
  EXPECT_EQ(exec.commit(), -EAGAIN);
  const nbdstream_wait until = exec.wait();
  EXPECT_GE(until.fd, 0);
  EXPECT_EQ(until.events, static_cast<uint32_t>(POLLIN));
  EXPECT_EQ(until.timeout_ns, -1);
  open_gate();
  EXPECT_EQ(exec.commit_patiently(5), 0);
}

TEST_F(ExecSink, CommitReportsExitStatusOfCommand) {
  sink exec(exec_module, {{"command", "cat > /dev/null; exit 3"}});
  EXPECT_EQ(exec.stream("hello"), -EIO);
  expect_said(exec, {"\"cat > /dev/null; exit 3\"", "exited with status 3"});
  EXPECT_EQ(abort_patiently(exec), 0);
  EXPECT_TRUE(exec.log.empty()) << exec.log.front();
}

TEST_F(ExecSink, CommitReportsSignalThatEndedCommand) {
  sink exec(exec_module, running("cat > out; kill -KILL $$"));
  EXPECT_EQ(exec.stream("hello"), -EIO);
  expect_said(exec, {"signal 9 (Killed)"});
}

TEST_F(ExecSink, CommitExplainsExitStatus127) {
  sink exec(exec_module, running("cat > out; no-such-program"));
  EXPECT_EQ(exec.stream("hello"), -EIO);
  expect_said(exec, {"127", "not found"});
}

TEST_F(GatedExecSink, CommitFailsWhenSuccessLeavesBytesUnread) {
  sink exec(exec_module, running("cat gate"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_EQ(exec.commit(), -EAGAIN);
  open_gate();
  EXPECT_EQ(exec.commit_patiently(5), -EPIPE);
  expect_said(exec, {"exited with status 0, but", "last 5 bytes"});
}

TEST_F(GatedExecSink, ExitStatusTakesPrecedenceOverUnreadBytes) {
  sink exec(exec_module, running("cat gate; exit 7"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_EQ(exec.commit(), -EAGAIN);
  open_gate();
  EXPECT_EQ(exec.commit_patiently(5), -EIO);
  expect_said(exec, {"exited with status 7"});
}

TEST_F(GatedExecSink, CommitFailsWhenRunningCommandClosesItsInput) {
  sink exec(exec_module, running("exec < gate; touch closed; exec sleep 1000"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  open_gate();
  EXPECT_TRUE(appears("closed"));
  EXPECT_EQ(exec.commit_patiently(5), -EPIPE);
  expect_said(exec, {"closed its input, but"});
}

TEST_F(GatedExecSink, CommitCountsBytesReadByChildOfCommand) {
  sink exec(exec_module, running("exec 3<&0; (cat gate; exec cat <&3 > out) & exit 0"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_EQ(exec.commit(), -EAGAIN);
  open_gate();
  EXPECT_EQ(exec.commit_patiently(5), 0);
  EXPECT_TRUE(eventually([&] { return contents_of(here / "out") == "hello"; }));
}

TEST_F(ExecSink, LogsHowCommandEndedBeforeStream) {
  sink exec(exec_module, {{"command", "exit 3"}});
  ASSERT_EQ(exec.open(), 0);
  EXPECT_TRUE(eventually([&] { return exec.send("hello") == -EPIPE; }));
  abort_patiently(exec);
  ASSERT_EQ(exec.log.size(), 1U);
  EXPECT_EQ(exec.log[0], "\"exit 3\" exited with status 3 before the end of the stream");
}

TEST_F(ExecSink, CommitFailsWhenSigchldIsIgnored) {
  (void)std::signal(SIGCHLD, SIG_IGN);
  sink exec(exec_module, running("cat > out"));
  EXPECT_EQ(exec.stream("hello"), -EIO);
  (void)std::signal(SIGCHLD, SIG_DFL);
  expect_said(exec, {"SIGCHLD"});
}

}  // namespace
}  // namespace sink_tests
