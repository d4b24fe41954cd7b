// SPDX-License-Identifier: BSD-3-Clause
//
// --run: the exit status of its command is what vouches for the stream.
#include "support/integration_test.hpp"
#include "support/seccomp.hpp"

#include <sys/resource.h>

namespace nbdstream::test {
namespace {

class run : public integration_test {
 protected:
  /// nbdstream with a reader, and what the reader got.
  result streamed(const std::string& command, const arguments& more = {}) {
    process reader = start_reader();
    result ended = nbdstream(running(command, more));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    return ended;
  }
};

TEST_F(run, passes_the_commands_exit_status_on_and_says_so) {
  const result ended = nbdstream(running("exit 7"));
  EXPECT_TRUE(ended_with(7, ended));
  EXPECT_EQ(ended.err, "nbdstream: error: the command of --run exited with status 7\n");
}

TEST_F(run, passes_it_on_when_a_whole_stream_was_written) {
  const std::string hello = client_command("h.pwrite(b'hello', 0); h.shutdown()");
  EXPECT_TRUE(ended_with(7, streamed(hello + "; exit 7")));
}

TEST_F(run, says_128_and_the_signal_that_killed_the_command) {
  const result ended = nbdstream(running("kill -KILL $$"));
  EXPECT_TRUE(ended_with(128 + SIGKILL, ended));
  EXPECT_EQ(ended.err, "nbdstream: error: the command of --run was ended by signal 9 (Killed)\n");
}

TEST_F(run, fails_when_the_client_is_killed) {
  const std::string killed = client_command(R"(
h.pwrite(b'hello', 0)
os.kill(os.getpid(), 9)
)");
  EXPECT_TRUE(ended_with(128 + SIGKILL, streamed(killed)));
}

TEST_F(run, fails_when_nothing_was_written) {
  const result ended = nbdstream(running("true"));
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "nothing was written"));
}

TEST_F(run, makes_one_stream_of_zeroes_of_a_disk_that_was_skipped) {
  EXPECT_TRUE(ended_with(0, start({"qemu-img", "create", "-f", "qcow2", "in.qcow2", "1M"}).wait()));
  const result ended =
      streamed(R"(qemu-img convert -n --target-is-zero in.qcow2 -O raw "$uri")", {"--size", "1M"});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(holds(path("out.raw"), std::string(MiB, '\0')));
}

TEST_F(run, needs_no_goodbye_from_the_client) {
  EXPECT_TRUE(ended_with(0, streamed(client_command("h.pwrite(b'hello', 0)"))));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_F(run, fails_when_a_write_failed_that_the_command_ignored) {
  const result ended = streamed(client_command(R"(
h.pwrite(b'hello', 0)
fails_with(errno.EINVAL, h.pwrite, b'again', 0)
touch('refused')
h.shutdown()
)"));
  EXPECT_TRUE(std::filesystem::exists(path("refused")));
  EXPECT_TRUE(ended_with(1, ended));
}

/// `nbdcopy … | tee log`, where the shell sees tee's exit status only. The one request cannot be
/// answered, as it does not fit into the pipe.
TEST_F(run, fails_when_a_client_dies_whose_status_the_shell_does_not_see) {
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

TEST_F(run, commits_what_a_background_child_still_sends) {
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

TEST_F(run, aborts_when_a_background_child_keeps_its_connection_beyond_the_grace) {
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

TEST_F(run, fails_when_qemu_img_cannot_read_the_second_half_of_its_source) {
  const result ended = streamed(convert_broken_source(R"("$uri")"), {"--size", "8M"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "error while reading"));
}

TEST_F(run, lets_the_commands_output_through) {
  const result ended = streamed("echo said; " + client_command("h.pwrite(b'hello', 0)"));
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.out, "said\n");
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_F(run, gives_the_command_no_descriptor_of_ours) {
  const result ended = nbdstream(running("exec > descriptors; ls /proc/$$/fd; true"));
  EXPECT_TRUE(ended_with(1, ended));  // nothing was written
  EXPECT_EQ(read_file(path("descriptors")), "0\n1\n2\n");
}

TEST_F(run, ignores_and_blocks_no_signal_in_the_command) {
  for (const std::string set : {"SigBlk", "SigIgn"}) {
    const result ended = nbdstream(running("grep " + set + " /proc/self/status > set; true"));
    EXPECT_TRUE(ended_with(1, ended));  // nothing was written
    const auto signals = std::stoull(read_file(path("set")).substr(set.size() + 2), nullptr, 16);
    EXPECT_EQ(signals & 0x7fffffff, 0U) << set;  // those above 31 are not nbdstream's
  }
}

TEST_F(run, knows_the_exit_status_where_its_parent_had_ignored_the_signal_of_children) {
  const result ended = start({"env", "--ignore-signal=CHLD", "nbdstream", "--sink", "fifo:output",
                              "--run", "exit 3"})
                           .wait();
  EXPECT_TRUE(ended_with(3, ended));
}

/// The left side of a pipe fails, and the right side writes what it has got.
const std::string broken_left = R"({ printf hello; exit 3; } | nbdcopy - "$uri")";

/// As the README says: with sh nothing helps, not even `set -e`.
TEST_F(run, sees_the_right_side_of_a_pipe_only) {
  for (const std::string before : {"", "set -e; "}) {
    EXPECT_TRUE(ended_with(0, streamed(before + broken_left)));
    EXPECT_TRUE(holds(path("out.raw"), "hello"));
  }
}

TEST_F(run, sees_each_part_of_a_pipe_where_its_shell_is_bash) {
  const result ended = streamed(broken_left, {"--run-shell", "/bin/bash"});
  EXPECT_TRUE(ended_with(3, ended));
  EXPECT_TRUE(mentions(ended.err, "the command of --run exited with status 3"));
}

TEST_F(run, gives_another_shell_the_command_as_it_is) {
  write_file(path("shell"), "#!/bin/sh\nprintf '%s\n' \"$@\"\nexit 5\n");
  std::filesystem::permissions(path("shell"), std::filesystem::perms::owner_all);
  const result ended = nbdstream(running("a | b", {"--run-shell", path("shell")}));
  EXPECT_TRUE(ended_with(5, ended));
  EXPECT_EQ(ended.out, "-c\na | b\n");
}

TEST_F(run, refuses_a_shell_that_is_not_there_before_it_makes_anything) {
  const result ended = nbdstream(running("true", {"--run-shell", "bash"}));
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "--run-shell \"bash\": No such file or directory"));
  EXPECT_FALSE(std::filesystem::exists(path("output")));
}

class run_where_a_call_fails : public run {
 protected:
  /// nbdstream with a system call that fails.
  result ended_without(const std::string& call, const std::string& error,
                       const std::string& command) {
    // The search for leaks waits for a process of its own.
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

/// As in old containers, or gVisor.
TEST_F(run_where_a_call_fails, works_without_pidfd_open) {
  for (const std::string error : {"EPERM", "ENOSYS"}) {
    process reader = start_reader();
    const auto ended = ended_without("pidfd_open", error, client_command("h.pwrite(b'hello', 0)"));
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    EXPECT_TRUE(holds(path("out.raw"), "hello"));
  }
}

/// A sink's module has waited for all children, say.
TEST_F(run_where_a_call_fails, fails_where_the_exit_status_is_lost) {
  const auto ended = ended_without("wait4", "ECHILD", "exec true");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(
      mentions(ended.err, "the command of --run has ended, but its exit status is unknown"));
}

/// nbdstream has the lower limit itself, while it starts the command.
TEST_F(run, gives_the_command_the_limit_of_open_files_that_it_has_not_itself) {
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

TEST_F(run, takes_one_stream_only) {
  const result ended = nbdstream(running("true", {"--streams", "2"}));
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "streams"));
}

}  // namespace
}  // namespace nbdstream::test
