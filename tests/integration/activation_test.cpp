// SPDX-License-Identifier: BSD-3-Clause
//
// The server takes over listening sockets that systemd or libnbd's clients have bound.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class SocketActivation : public integration_test {
 protected:
  /// Starts nbdstream as systemd does, with a Unix socket `sock` and a TCP socket on `port`. `set`
  /// is Python that fills the environment `e`.
  process start_with_two(const std::string& port, const std::string& set,
                         const std::string& more = "") const {
    return start({"/usr/bin/python3", "-c",
                  R"(
import os, socket
local, tcp = socket.socket(socket.AF_UNIX), socket.socket()
local.bind("sock")
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(("127.0.0.1", )" +
                      port + R"())
for number, s in enumerate((local, tcp)):
    s.listen()
    os.dup2(s.fileno(), 10 + number)
local.close()
tcp.close()
for number in (3, 4):
    os.dup2(7 + number, number)
    os.set_inheritable(number, True)
    os.close(7 + number)
e = os.environ
)" + set + R"(
os.execvp("nbdstream", ["nbdstream", "-P", "pid", "--sink", "fifo:output")" +
                      more + "])"});
  }

  int size_status(const std::string& uri) const {
    return start({"nbdinfo", "--size", uri}).wait().status;
  }
};

const std::string for_us = "e.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2')";

TEST_F(SocketActivation, ServesEachSocketOfListenFds) {
  const std::string port = std::to_string(free_port());
  process server = start_with_two(port, for_us);
  wait_for("pid");
  EXPECT_EQ(size_status(unix_uri), 0);
  EXPECT_EQ(size_status("nbd://127.0.0.1:" + port), 0);
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  EXPECT_TRUE(std::filesystem::exists(path("sock"))) << "is systemd's to remove";
}

TEST_F(SocketActivation, ServesPassedSocketsAndCommandLineAddresses) {
  process server = start_with_two(std::to_string(free_port()), for_us, R"(, "-U", "more")");
  wait_for("pid");
  EXPECT_EQ(size_status(unix_uri), 0);
  EXPECT_EQ(size_status("nbd+unix:///?socket=more"), 0);
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

/// The server does not accept on the inherited sockets. It serves the address of its command line.
TEST_F(SocketActivation, IgnoresSocketsForAnotherProcessId) {
  const std::string port = std::to_string(free_port());
  process server = start_with_two(port, "e.update(LISTEN_PID='1', LISTEN_FDS='2')",
                                  R"(, "-U", "ours", "--run", "printf '%s' $unixsocket > where")");
  EXPECT_TRUE(ended_with(1, server.wait()));  // nothing was written
  EXPECT_TRUE(read_file(path("where")).ends_with("/ours"));
}

TEST_F(SocketActivation, RunCommandInheritsNoListenVariables) {
  process server = start_with_two(std::to_string(free_port()), for_us,
                                  R"(, "--run", "env > env; ls /proc/self/fd > fds")");
  EXPECT_TRUE(ended_with(1, server.wait()));  // nothing was written
  EXPECT_EQ(read_file(path("env")).find("LISTEN_"), std::string::npos);
  EXPECT_TRUE(mentions(read_file(path("env")), "unixsocket=sock"));
}

TEST_F(SocketActivation, RefusesADescriptorThatDoesNotListen) {
  for (const std::string number : {"3", "2147483647"}) {
    const auto set = "e.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='" + number + "')";
    process server = start_with_two(std::to_string(free_port()), set);
    const result ended = server.wait();
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_TRUE(mentions(ended.err, "LISTEN_FDS: descriptor 5 is not a listening socket"));
    std::filesystem::remove(path("sock"));
  }
}

TEST_F(SocketActivation, WorksWithSystemdSocketActivate) {
  const std::string port = std::to_string(free_port());
  process server =
      start({"systemd-socket-activate", "-l", path("sock").string(), "-l", "127.0.0.1:" + port,
             "-E", "TMPDIR", "-E", "PATH", "nbdstream", "--sink", "fifo:output"});
  process reader = start_reader();
  wait_for("sock");
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()")));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

class NbdcopyBrackets : public integration_test {};

TEST_F(NbdcopyBrackets, StartAServerThatWritesTheWholeImage) {
  make_raw(path("in.raw"), 4 * MiB);
  process reader = start_reader();
  EXPECT_TRUE(ended_with(
      0,
      start({"nbdcopy", "--", "in.raw", "[", "nbdstream", "--sink", "fifo:output", "]"}).wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

/// nbdcopy does not wait for the server's exit status. --run reports that status.
TEST_F(NbdcopyBrackets, HideTheExitStatusOfAnAbortedStream) {
  make_raw(path("in.raw"), MiB);
  process reader = start_reader();
  process copy = start(
      {"nbdcopy", "--", "in.raw", "[", "nbdstream", "--size", "2M", "--sink", "fifo:output", "]"});
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(ended_with(0, copy.wait()));
  EXPECT_TRUE(eventually([&] { return copy.err().find("abort") != std::string::npos; }));
  EXPECT_EQ(end_leftovers(), std::vector<std::string>());
}

}  // namespace
}  // namespace nbdstream::test
