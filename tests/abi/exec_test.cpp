// SPDX-License-Identifier: BSD-3-Clause
//
// Streams through the sink `exec`, and how they are committed.
#include <csignal>

#include "exec_fixture.hpp"

namespace sink_tests {
namespace {

TEST_F(Exec, gives_the_stream_to_the_command_and_its_end) {
  sink exec(exec_module, running("cat > out"));
  ASSERT_EQ(exec.created, 0) << exec.explanation();
  const std::string data = pattern(3 << 20);
  EXPECT_EQ(exec.stream(data), 0);
  EXPECT_TRUE(contents_of(here / "out") == data);
}

TEST_F(Exec, runs_nothing_before_a_stream_begins) {
  { const sink exec(exec_module, running("touch begun")); }
  EXPECT_TRUE(here.names().empty());
}

TEST_F(Exec, runs_the_command_anew_for_each_stream_and_tells_it_which) {
  ::setenv("NBDSTREAM_SIZE", "of another stream", 1);
  sink exec(exec_module,
            running("cat > \"out$NBDSTREAM_STREAM,$NBDSTREAM_EXPORT,$NBDSTREAM_SIZE\""));
  EXPECT_EQ(exec.stream("one"), 0);
  EXPECT_EQ(exec.stream("two"), 0);
  ::unsetenv("NBDSTREAM_SIZE");
  EXPECT_EQ(contents_of(here / "out1,,"), "one");
  EXPECT_EQ(contents_of(here / "out2,,"), "two");
}

TEST_F(Exec, lends_the_write_end_of_a_pipe_as_large_as_may_be) {
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

TEST_F(Exec, refuses_an_empty_command) {
  for (const char* nothing : {"", " \t\n"}) {
    const sink refused(exec_module, {{"command", nothing}});
    EXPECT_EQ(refused.created, -EINVAL);
    expect_said(refused, {"empty"});
  }
}

TEST_F(Exec, starts_the_command_without_descriptors_of_ours) {
  const int inherited = ::open("/dev/null", O_RDONLY);  // not close-on-exec
  sink exec(exec_module, running("cat > out; ls /proc/self/fd > descriptors"));
  EXPECT_EQ(exec.stream("hello"), 0);
  ::close(inherited);
  EXPECT_EQ(contents_of(here / "descriptors"), "0\n1\n2\n3\n");  // the last is the directory
}

TEST_F(Exec, starts_the_command_with_signals_as_a_new_process_expects_them) {
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

TEST_F(GatedExec, does_not_block_in_a_commit_while_the_command_works) {
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

TEST_F(Exec, fails_to_commit_with_the_exit_status_of_the_command) {
  sink exec(exec_module, {{"command", "cat > /dev/null; exit 3"}});
  EXPECT_EQ(exec.stream("hello"), -EIO);
  expect_said(exec, {"\"cat > /dev/null; exit 3\"", "exited with status 3"});
  EXPECT_EQ(abort_patiently(exec), 0);
  EXPECT_TRUE(exec.log.empty()) << exec.log.front();
}

TEST_F(Exec, fails_to_commit_with_the_signal_that_ended_the_command) {
  sink exec(exec_module, running("cat > out; kill -KILL $$"));
  EXPECT_EQ(exec.stream("hello"), -EIO);
  expect_said(exec, {"signal 9 (Killed)"});
}

TEST_F(Exec, says_what_the_exit_status_of_a_missing_program_means) {
  sink exec(exec_module, running("cat > out; no-such-program"));
  EXPECT_EQ(exec.stream("hello"), -EIO);
  expect_said(exec, {"127", "not found"});
}

TEST_F(GatedExec, fails_to_commit_where_success_comes_with_bytes_unread) {
  sink exec(exec_module, running("cat gate"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_EQ(exec.commit(), -EAGAIN);
  open_gate();
  EXPECT_EQ(exec.commit_patiently(5), -EPIPE);
  expect_said(exec, {"exited with status 0, but", "last 5 bytes"});
}

TEST_F(GatedExec, prefers_the_exit_status_to_the_bytes_unread) {
  sink exec(exec_module, running("cat gate; exit 7"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_EQ(exec.commit(), -EAGAIN);
  open_gate();
  EXPECT_EQ(exec.commit_patiently(5), -EIO);
  expect_said(exec, {"exited with status 7"});
}

TEST_F(GatedExec, fails_to_commit_where_the_command_closes_its_input_and_goes_on) {
  sink exec(exec_module, running("exec < gate; touch closed; exec sleep 1000"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  open_gate();
  EXPECT_TRUE(appears("closed"));
  EXPECT_EQ(exec.commit_patiently(5), -EPIPE);
  expect_said(exec, {"closed its input, but"});
}

TEST_F(GatedExec, commits_what_a_child_that_outlives_the_command_has_read) {
  sink exec(exec_module, running("exec 3<&0; (cat gate; exec cat <&3 > out) & exit 0"));
  ASSERT_EQ(exec.open(), 0);
  ASSERT_EQ(exec.send("hello"), 0);
  EXPECT_EQ(exec.commit(), -EAGAIN);
  open_gate();
  EXPECT_EQ(exec.commit_patiently(5), 0);
  EXPECT_TRUE(eventually([&] { return contents_of(here / "out") == "hello"; }));
}

TEST_F(Exec, says_how_the_command_ended_before_the_stream_did) {
  sink exec(exec_module, {{"command", "exit 3"}});
  ASSERT_EQ(exec.open(), 0);
  EXPECT_TRUE(eventually([&] { return exec.send("hello") == -EPIPE; }));
  abort_patiently(exec);
  ASSERT_EQ(exec.log.size(), 1U);
  EXPECT_EQ(exec.log[0], "\"exit 3\" exited with status 3 before the end of the stream");
}

TEST_F(Exec, fails_where_somebody_else_gets_the_exit_status) {
  (void)std::signal(SIGCHLD, SIG_IGN);
  sink exec(exec_module, running("cat > out"));
  EXPECT_EQ(exec.stream("hello"), -EIO);
  (void)std::signal(SIGCHLD, SIG_DFL);
  expect_said(exec, {"SIGCHLD"});
}

}  // namespace
}  // namespace sink_tests
