// SPDX-License-Identifier: BSD-3-Clause
//
// --run: the exit status of its command decides whether the stream is complete.
#include "support/integration_test.hpp"
#include "support/seccomp.hpp"

#include <sys/resource.h>

namespace nbdstream::test {
namespace {

class RunOption : public integration_test {
 protected:
  /// Runs nbdstream with a reader, which writes out.raw.
  result streamed(const std::string& command, const arguments& more = {}) {
    process reader = start_reader();
    result ended = nbdstream(running(command, more));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    return ended;
  }
};

TEST_F(RunOption, PassesExitStatusOnAndLogsIt) {
  const result ended = nbdstream(running("exit 7"));
  EXPECT_TRUE(ended_with(7, ended));
  EXPECT_EQ(ended.err, "nbdstream: error: the command of --run exited with status 7\n");
}

TEST_F(RunOption, PassesExitStatusOnAfterWholeStream) {
  const std::string hello = client_command("h.pwrite(b'hello', 0); h.shutdown()");
  EXPECT_TRUE(ended_with(7, streamed(hello + "; exit 7")));
}

TEST_F(RunOption, Returns128PlusSignalThatKilledCommand) {
  const result ended = nbdstream(running("kill -KILL $$"));
  EXPECT_TRUE(ended_with(128 + SIGKILL, ended));
  EXPECT_EQ(ended.err, "nbdstream: error: the command of --run was ended by signal 9 (Killed)\n");
}

TEST_F(RunOption, FailsWhenClientIsKilled) {
  const std::string killed = client_command(R"(
h.pwrite(b'hello', 0)
os.kill(os.getpid(), 9)
)");
  EXPECT_TRUE(ended_with(128 + SIGKILL, streamed(killed)));
}

TEST_F(RunOption, FailsWhenNothingWasWritten) {
  const result ended = nbdstream(running("true"));
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "nothing was written"));
}

TEST_F(RunOption, CommitsZeroesOfSkippedDisk) {
  EXPECT_TRUE(ended_with(0, start({"qemu-img", "create", "-f", "qcow2", "in.qcow2", "1M"}).wait()));
  const result ended =
      streamed(R"(qemu-img convert -n --target-is-zero in.qcow2 -O raw "$uri")", {"--size", "1M"});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(holds(path("out.raw"), std::string(MiB, '\0')));
}

TEST_F(RunOption, NeedsNoDisconnectFromClient) {
  EXPECT_TRUE(ended_with(0, streamed(client_command("h.pwrite(b'hello', 0)"))));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_F(RunOption, FailsWhenCommandIgnoredWriteError) {
  const result ended = streamed(client_command(R"(
h.pwrite(b'hello', 0)
fails_with(errno.EINVAL, h.pwrite, b'again', 0)
touch('refused')
h.shutdown()
)"));
  EXPECT_TRUE(std::filesystem::exists(path("refused")));
  EXPECT_TRUE(ended_with(1, ended));
}

/// As in `nbdcopy … | tee log`: the shell sees only the exit status of tee. The one request gets no
/// reply, since it does not fit into the pipe.
TEST_F(RunOption, FailsWhenClientInPipelineDies) {
  make_raw(path("in.raw"), 16 * MiB);
  process server =
      start_nbdstream(running(R"({ nbdcopy --synchronous --request-size=16777216 in.raw "$uri" &)"
                              " echo $! > nbdcopy.pid; wait $!; } | tee log"));
  wait_for("output");
  peer reader = open_fifo(path("output"));
  reader.take(65536);
  ASSERT_EQ(::kill(std::stoi(read_file(path("nbdcopy.pid"))), SIGKILL), 0);
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_TRUE(ended_with(1, server.wait()));
}

TEST_F(RunOption, CommitsWritesOfBackgroundChild) {
  const std::string late = client_command(R"(
import time
h.pwrite(b'hello', 0)
touch('begun')
while os.getppid() == int(os.environ['shell']):
    time.sleep(0.005)
h.pwrite(b', world', 5)
)");
  const result ended =
      streamed("export shell=$$; " + late + " & until [ -e begun ]; do sleep 0.01; done");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(holds(path("out.raw"), "hello, world"));
}

TEST_F(RunOption, AbortsWhenBackgroundChildExceedsRunGrace) {
  const std::string stays = client_command(R"(
h.pwrite(b'hello', 0)
touch('begun')
stay()
)");
  const result ended =
      streamed(stays + " & until [ -e begun ]; do sleep 0.01; done", {"--run-grace", "100ms"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "still connected"));
}

TEST_F(RunOption, FailsWhenQemuImgCannotReadItsSource) {
  const result ended = streamed(convert_broken_source(R"("$uri")"), {"--size", "8M"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "error while reading"));
}

TEST_F(RunOption, PassesOutputOfCommandThrough) {
  const result ended = streamed("echo said; " + client_command("h.pwrite(b'hello', 0)"));
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.out, "said\n");
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_F(RunOption, CommandInheritsNoDescriptor) {
  const result ended = nbdstream(running("exec > descriptors; ls /proc/$$/fd; true"));
  EXPECT_TRUE(ended_with(1, ended));  // nothing was written
  EXPECT_EQ(read_file(path("descriptors")), "0\n1\n2\n");
}

TEST_F(RunOption, CommandHasNoIgnoredOrBlockedSignals) {
  for (const std::string set : {"SigBlk", "SigIgn"}) {
    const result ended = nbdstream(running("grep " + set + " /proc/self/status > set; true"));
    EXPECT_TRUE(ended_with(1, ended));  // nothing was written
    const auto signals = std::stoull(read_file(path("set")).substr(set.size() + 2), nullptr, 16);
    EXPECT_EQ(signals & 0x7fffffff, 0U) << set;  // signals above 31 do not come from nbdstream
  }
}

TEST_F(RunOption, SeesExitStatusThoughParentIgnoredSigchld) {
  const result ended = start({"env", "--ignore-signal=CHLD", "nbdstream", "--sink", "fifo:output",
                              "--run", "exit 3"})
                           .wait();
  EXPECT_TRUE(ended_with(3, ended));
}

/// The left side of a pipe fails, and the right side writes what it has received.
const std::string broken_left = R"({ printf hello; exit 3; } | nbdcopy - "$uri")";

/// sh ignores the failure on the left side, even with `set -e`, as the README says.
TEST_F(RunOption, ShHidesFailureOnLeftSideOfPipe) {
  for (const std::string before : {"", "set -e; "}) {
    EXPECT_TRUE(ended_with(0, streamed(before + broken_left)));
    EXPECT_TRUE(holds(path("out.raw"), "hello"));
  }
}

TEST_F(RunOption, BashReportsFailureOnLeftSideOfPipe) {
  const result ended = streamed(broken_left, {"--run-shell", "/bin/bash"});
  EXPECT_TRUE(ended_with(3, ended));
  EXPECT_TRUE(mentions(ended.err, "the command of --run exited with status 3"));
}

TEST_F(RunOption, PassesCommandUnchangedToAnotherShell) {
  write_file(path("shell"), "#!/bin/sh\nprintf '%s\n' \"$@\"\nexit 5\n");
  std::filesystem::permissions(path("shell"), std::filesystem::perms::owner_all);
  const result ended = nbdstream(running("a | b", {"--run-shell", path("shell")}));
  EXPECT_TRUE(ended_with(5, ended));
  EXPECT_EQ(ended.out, "-c\na | b\n");
}

TEST_F(RunOption, MissingShellIsRefusedBeforeAnythingIsCreated) {
  const result ended = nbdstream(running("true", {"--run-shell", "bash"}));
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "--run-shell \"bash\": No such file or directory"));
  EXPECT_FALSE(std::filesystem::exists(path("output")));
}

class RunWithFailingSystemCall : public RunOption {
 protected:
  /// Runs nbdstream with a system call that fails.
  result ended_without(const std::string& call, const std::string& error,
                       const std::string& command) {
    // LeakSanitizer waits for a child process, which would fail.
    arguments argv{"/usr/bin/python3",
                   "-c",
                   run_with_a_call_that_fails,
                   call,
                   error,
                   "env",
                   "ASAN_OPTIONS=exitcode=99:detect_leaks=0",
                   "nbdstream"};
    const auto rest = running(command);
    argv.insert(argv.end(), rest.begin(), rest.end());
    return start(argv).wait();
  }
};

/// Old containers and gVisor refuse pidfd_open().
TEST_F(RunWithFailingSystemCall, WorksWithoutPidfdOpen) {
  for (const std::string error : {"EPERM", "ENOSYS"}) {
    process reader = start_reader();
    const auto ended = ended_without("pidfd_open", error, client_command("h.pwrite(b'hello', 0)"));
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    EXPECT_TRUE(holds(path("out.raw"), "hello"));
  }
}

/// For example, a sink module has waited for all children.
TEST_F(RunWithFailingSystemCall, FailsWhenExitStatusIsLost) {
  const auto ended = ended_without("wait4", "ECHILD", "exec true");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(
      mentions(ended.err, "the command of --run has ended, but its exit status is unknown"));
}

/// nbdstream raises its own limit, and lowers it while it starts the command.
TEST_F(RunOption, CommandKeepsSoftLimitOfOpenFiles) {
  const result ended = start_shell(
                           "ulimit -Sn 200; exec nbdstream --sink fifo:output --run "
                           "'ulimit -Sn; most=$(ulimit -Hn); "
                           "until sed -n \"s/^Max open files *//p\" /proc/$PPID/limits | "
                           "grep \"^$most \"; do :; done'")
                           .wait();
  EXPECT_TRUE(ended_with(1, ended));  // nothing was written
  rlimit hard{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &hard), 0);
  EXPECT_TRUE(ended.out.starts_with("200\n" + std::to_string(hard.rlim_max) + " ")) << ended.out;
}

TEST_F(RunOption, RefusesSeveralStreams) {
  const result ended = nbdstream(running("true", {"--streams", "2"}));
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "streams"));
}

}  // namespace
}  // namespace nbdstream::test
