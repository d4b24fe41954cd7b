// SPDX-License-Identifier: BSD-3-Clause
//
// The environment of the process: descriptors, signals, children, and sinks that do not return.
#include "support/integration_test.hpp"
#include "support/seccomp.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <sstream>

namespace nbdstream::test {
namespace {

const std::string modules = NBDSTREAM_TEST_MODULES "/";

/// A helper for clients that do not wait for the reply to a write.
const std::string prelude = R"(
def begin_write(data):
    h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data)), 0)
)";

class ProgressDescriptor : public integration_test {};

TEST_F(ProgressDescriptor, MustBeOpen) {
  const result ended = nbdstream({"--progress=3", "--sink", "fifo:output", "--run", "true"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "--progress=3"));
  EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
  EXPECT_FALSE(std::filesystem::exists(path("output")));
}

TEST_F(ProgressDescriptor, LeavesStreamOnStdoutIntact) {
  write_file(path("client.sh"), client_command("h.pwrite(b'hello', 0)"));
  const result ended = start_shell(
                           "exec nbdstream --progress=3 --sink stdout"
                           " --run 'sh client.sh' 3>progress")
                           .wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.out, "hello");
  EXPECT_EQ(read_file(path("progress")), "100/100\n");
}

/// Stream and percentages would be mixed in one descriptor.
TEST_F(ProgressDescriptor, MustNotBeStdoutThatCarriesStream) {
  const std::string hello = client_command("h.pwrite(b'hello', 0)");
  const result ended = nbdstream({"--progress=1", "--sink", "stdout", "--run", hello});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "--progress"));
  EXPECT_EQ(ended.out, "");
}

TEST_F(ProgressDescriptor, IsNotInheritedByRunCommand) {
  const result ended = start_shell(
                           "exec nbdstream --progress=7 --sink fifo:output"
                           " --run 'exec > descriptors; ls /proc/$$/fd; true' 7>progress")
                           .wait();
  EXPECT_TRUE(ended_with(1, ended));  // nothing was written
  EXPECT_EQ(read_file(path("descriptors")), "0\n1\n2\n");
}

/// Options that write to the pipe at stdout, which no process reads.
const std::map<std::string, std::string> unread = {
    {"progress", "--size 5 --progress=9 9>&1 >/dev/null"},
    {"log", "--log-level debug 2>&1 >/dev/null"},
};

class FullOutputPipe : public integration_test, public ::testing::WithParamInterface<const char*> {
 protected:
  FullOutputPipe() {
    const std::string page(4096, '.');
    const int fd = pipe_.write.get();
    const int flags = ::fcntl(fd, F_GETFL);
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (::write(fd, page.data(), page.size()) > 0) continue;
    ::fcntl(fd, F_SETFL, flags);  // nbdstream shares these flags
  }

  [[nodiscard]] process start_with_full_pipe(const std::string& command) {
    write_file(path("command.sh"), command);
    process::options how;
    how.out = pipe_.write.get();
    return start(
        {"/bin/sh", "-c",
         "exec nbdstream --sink fifo:output --run 'exec sh command.sh' " + unread.at(GetParam())},
        how);
  }

 private:
  pipe_pair pipe_ = make_pipe();
};

TEST_P(FullOutputPipe, StreamStillCommits) {
  process server = start_with_full_pipe(client_command("h.pwrite(b'hello', 0)"));
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_P(FullOutputPipe, SigtermStillEndsServer) {
  process server = start_with_full_pipe("touch begun; exec sleep 1000");
  wait_for("begun");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

INSTANTIATE_TEST_SUITE_P(Of, FullOutputPipe, ::testing::Values("progress", "log"),
                         [](const auto& each) { return each.param; });

class SinkThatNeverReturns : public integration_test {
 protected:
  /// Waits until the log says that a call of the sink has not returned.
  static void wait_until_given_up(const process& server) {
    EXPECT_TRUE(
        eventually([&] { return server.err().find("has not returned") != std::string::npos; }));
  }
};

TEST_F(SinkThatNeverReturns, OtherExportStillCommits) {
  write_file(path("two.toml"), "[[export]]\nname = \"stuck\"\n[export.sink]\nmodule = \"" +
                                   modules + "stubborn.so\"\nlog = \"stuck.log\"\n" +
                                   "[[export]]\nname = \"other\"\n[export.sink]\nmodule = \"" +
                                   modules + "recorder.so\"\nlog = \"log\"\npath = \"out.raw\"\n");
  process server = start_listening({"--config", "two.toml", "--grace", "1"});
  process other = start_client(prelude + "h.pwrite(b'under way, ', 0)\ntouch('begun')\n" +
                                   "wait_for('go')\nh.pwrite(b'and whole', 11)\nh.shutdown()\n",
                               "nbd+unix:///other?socket=sock");
  wait_for("begun");
  process stuck =
      start_client(prelude + "begin_write(b'stuck')\nstay()\n", "nbd+unix:///stuck?socket=sock");
  EXPECT_TRUE(
      eventually([&] { return read_file(path("stuck.log")).find("write") != std::string::npos; }));
  stuck.signal(SIGKILL);
  wait_until_given_up(server);
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, other.wait()));
  EXPECT_TRUE(ended_with(1, server.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "under way, and whole"));
  EXPECT_TRUE(mentions(read_file(path("log")), "commit 20\n"));
}

/// Without the end of the stream, the command would sleep on.
TEST_F(SinkThatNeverReturns, RunCommandIsEnded) {
  const std::string client = client_command(prelude + "begin_write(b'stuck')\nstay()\n");
  const result ended = nbdstream({"--sink", modules + "stubborn.so:log", "--grace", "1", "--run",
                                  client + " & until grep -q write log; do sleep 0.01; done;"
                                           " kill -KILL $!; exec sleep 1000"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "has not returned"));
}

class RunChildren : public integration_test {};

/// The shell has ended, since the socket takes no more clients. A child of the shell is still
/// connected.
TEST_F(RunChildren, SigtermReachesChildrenThatOutliveShell) {
  const std::string client =
      client_command(prelude + "h.pwrite(b'hello', 0)\ntouch('one')\nstay()\n");
  process server = start_nbdstream(
      {"-U", "sock", "--sink", "fifo:output", "--run-grace", "60s", "--run",
       client + " & (trap 'touch told; exit' TERM; touch two; while :; do sleep 0.01; done) &"
                " until [ -e one -a -e two ]; do sleep 0.01; done"});
  process reader = start_reader();
  wait_for("two");
  EXPECT_TRUE(eventually([&] {
    return start({"nbdinfo", "--size", unix_uri}).wait().status != 0;
  }));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  EXPECT_TRUE(std::filesystem::exists(path("told")));
}

class NohupServer : public integration_test {};

/// The server handles the signal before it serves nbdinfo.
TEST_F(NohupServer, CommitsStreamDespiteSighup) {
  process server =
      start({"nohup", "nbdstream", "-U", "sock", "-P", "pid", "--sink", "fifo:output"});
  process reader = start_reader();
  wait_for("pid");
  process writer = start_client(prelude + "h.pwrite(b'before', 0)\ntouch('begun')\n" +
                                "wait_for('go')\nh.pwrite(b' and after', 6)\nh.shutdown()\n");
  wait_for("begun");
  server.signal(SIGHUP);
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, writer.wait()));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "before and after"));
}

class SigtermBlockedByParent : public integration_test {
 protected:
  /// Starts nbdstream with this option as the child of a process that has blocked SIGTERM. The
  /// parent ends when there is a file `end`.
  [[nodiscard]] process start_with_sigterm_blocked(const std::string& option) const {
    return start({"/usr/bin/python3", "-c", R"(
import os, signal, subprocess, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
server = subprocess.Popen(['nbdstream', '-U', 'sock', '-P', 'pid', '--sink', 'fifo:output',
                           sys.argv[1]])
while not os.path.exists('end'):
    time.sleep(0.005)
)",
                  option});
  }
};

TEST_F(SigtermBlockedByParent, SigtermStillEndsServer) {
  process parent = start_with_sigterm_blocked("-f");
  wait_for("pid");
  ASSERT_EQ(::kill(std::stoi(read_file(path("pid"))), SIGTERM), 0);
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(path("sock")); }));
  write_file(path("end"), "");
  EXPECT_TRUE(ended_with(0, parent.wait()));
}

TEST_F(SigtermBlockedByParent, ServerStillExitsWithParent) {
  process parent = start_with_sigterm_blocked("--exit-with-parent");
  wait_for("pid");
  write_file(path("end"), "");
  EXPECT_TRUE(ended_with(0, parent.wait()));
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(path("sock")); }));
}

class AcceptError : public integration_test {
 protected:
  [[nodiscard]] process serve_with_a_call_that_fails(const std::string& error) const {
    process server =
        start({"/usr/bin/python3", "-c", run_with_a_call_that_fails, "accept4", error, "nbdstream",
               "-U", "sock", "-P", "pid", "--size", "1M", "--sink", "fifo:output"});
    wait_for("pid");
    return server;
  }

  /// The server tries again ten times a second.
  static constexpr std::chrono::milliseconds several_attempts{800};

  /// Seconds of CPU time that a process has used.
  static double time_used(const process& of) {
    const auto stat = read_file("/proc/" + std::to_string(of.pid()) + "/stat");
    std::istringstream fields(stat.substr(stat.rfind(')')));
    std::string skipped;
    for (int i = 0; i < 12; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }

  static auto lines_in(const std::string& text) { return std::ranges::count(text, '\n'); }
};

TEST_F(AcceptError, EmfileIsLoggedOnce) {
  process server = serve_with_a_call_that_fails("EMFILE");
  const peer client = connect_unix(path("sock"));
  EXPECT_TRUE(eventually([&] { return lines_in(server.err()) == 2; }));
  EXPECT_TRUE(mentions(server.err(), "no connection can be accepted: Too many open files"));
  EXPECT_FALSE(eventually([&] { return lines_in(server.err()) > 2; }, several_attempts));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

/// Each peer has gone before its connection is accepted. The server must be idle between its
/// attempts.
TEST_F(AcceptError, EconnabortedDoesNotUseCpu) {
  process server = serve_with_a_call_that_fails("ECONNABORTED");
  const peer client = connect_unix(path("sock"));
  EXPECT_TRUE(eventually([&] {
    return server.err().find("no connection can be accepted: Software caused") != std::string::npos;
  }));
  const double before = time_used(server);
  EXPECT_FALSE(eventually([] { return false; }, several_attempts));
  EXPECT_LT(time_used(server) - before, 0.4);
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

/// The seccomp filters of old containers refuse accept4().
TEST_F(AcceptError, ServerWorksWithoutAccept4) {
  for (const std::string error : {"EPERM", "ENOSYS"}) {
    process server = serve_with_a_call_that_fails(error);
    EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  }
}

class BlockingSystemdSocket : public integration_test {};

TEST_F(BlockingSystemdSocket, SigtermStillEndsServer) {
  process server = start({"/usr/bin/python3", "-c", R"(
import os, socket
listening = socket.socket(socket.AF_UNIX)
listening.bind("sock")
listening.listen()
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp("nbdstream", ["nbdstream", "-P", "pid", "--sink", "fifo:output"])
)"});
  wait_for("pid");
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

}  // namespace
}  // namespace nbdstream::test
