// SPDX-License-Identifier: BSD-3-Clause
//
// Clients that are killed, idle, or quick to disconnect, at moments when the server could mistake a
// broken stream for a complete one.
#include "support/integration_test.hpp"
#include "support/scripted_client.hpp"

namespace nbdstream::test {
namespace {

/// Sends a write. The server does not reply to it before the sink has a reader.
const std::string send_a_write = R"(
import signal
def send_a_write():
    h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b'x' * 512)), 0)
def die():
    os.kill(os.getpid(), signal.SIGKILL)
)";

class KilledClient : public integration_test, public ::testing::WithParamInterface<const char*> {
 protected:
  [[nodiscard]] bool tcp() const { return GetParam() == std::string("tcp"); }
  [[nodiscard]] std::string uri() const { return tcp() ? "nbd://127.0.0.1:" + port_ : unix_uri; }

  /// `args`, with the port if the parameter is `tcp`.
  [[nodiscard]] arguments with_transport(arguments args) const {
    if (tcp()) args.insert(args.end(), {"-p", port_});
    return args;
  }

  const std::string port_ = std::to_string(free_port());
};

/// The command exits with status 0 although its client was killed.
TEST_P(KilledClient, AbortsTheStreamEvenIfTheRunCommandSucceeds) {
  const std::string dies = client_command(send_a_write + "send_a_write()\ndie()\n");
  process server =
      start_nbdstream(with_transport({"--sink", "fifo:output", "--size", "1M", "--run-grace", "60s",
                                      "--run", dies + "; touch dead; true"}));
  wait_for("dead");
  process late = start_reader();
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "disconnected inside a request"));
}

/// The write has arrived before the probe connects, and the server replies to the probe.
TEST_P(KilledClient, EndsTheServerBeforeAReaderComes) {
  process server = start_listening(with_transport({"--sink", "fifo:output"}));
  process writer =
      start_client(send_a_write + "send_a_write()\ntouch('sent')\nwhile True: h.poll(-1)", uri());
  wait_for("sent");
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", uri()}).wait()));
  writer.signal(SIGKILL);
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "disconnected inside a request"));
}

/// SIGSTOP holds the server while the client writes and is killed. The server sees both at once.
TEST_P(KilledClient, EndsTheServerThatHasNotReadItsWriteYet) {
  process server = start_listening(with_transport({"--sink", "fifo:output"}));
  process writer = start_client(
      send_a_write + "touch('connected')\nwait_for('stopped')\nsend_a_write()\ndie()\n", uri());
  wait_for("connected");
  server.signal(SIGSTOP);
  const std::string about = "/proc/" + std::to_string(server.pid()) + "/stat";
  EXPECT_TRUE(eventually([&] { return read_file(about).find(") T ") != std::string::npos; }));
  write_file(path("stopped"), "");
  EXPECT_TRUE(ended_with(128 + SIGKILL, writer.wait()));
  server.signal(SIGCONT);
  EXPECT_TRUE(ended_with(1, server.wait()));
}

INSTANTIATE_TEST_SUITE_P(Over, KilledClient, ::testing::Values("tcp", "unix"),
                         [](const auto& each) { return each.param; });

class KilledClientOfSingle : public integration_test {};

TEST_F(KilledClientOfSingle, EndsTheServerBeforeAReaderComes) {
  process all = start({"/usr/bin/python3", "-c", R"(
import nbd, os, signal, socket, subprocess
ours, theirs = socket.socketpair()
server = subprocess.Popen(["nbdstream", "--single", "--sink", "fifo:output"],
                          stdin=theirs, stdout=theirs)
theirs.close()
client = os.fork()
if client == 0:
    h = nbd.NBD()
    h.connect_socket(ours.detach())
    h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b'x' * 512)), 0)
    os.kill(os.getpid(), signal.SIGKILL)
ours.close()
os.waitpid(client, 0)
raise SystemExit(server.wait())
)"});
  EXPECT_TRUE(ended_with(1, all.wait()));
}

class IdleConnection : public integration_test {
 protected:
  /// Connects a bystander, then a client that zeroes 512 bytes and disconnects, as `qemu-img
  /// convert` without -n does. `script` is what the bystander does next.
  [[nodiscard]] process start_clients(const std::string& script) const {
    return start_client(send_a_write + R"(
bystander = nbd.NBD()
bystander.connect_uri('nbd+unix:///?socket=sock')
h.zero(512, 0)
h.shutdown()
touch('zeroed')
)" + script);
  }
};

/// The bystander pauses for longer than --settle.
TEST_F(IdleConnection, MayWriteToAStreamOfZeroesAfterSettle) {
  process server = start_listening({"--sink", "fifo:output", "--settle", "1s"});
  process reader = start_reader();
  process both =
      start_clients("wait_for('go')\nbystander.pwrite(b'hello', 512)\nbystander.shutdown()\n");
  wait_for("zeroed");
  EXPECT_FALSE(eventually([&] { return !server.running(); }, std::chrono::seconds(2)));
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, both.wait()));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), std::string(512, '\0') + "hello"));
}

/// Otherwise a qemu-img with a slow source would find that its stream has ended.
TEST_F(IdleConnection, DelaysTheEndOfAStreamOfZeroesUntilItCloses) {
  process server = start_listening({"--sink", "fifo:output", "--settle", "20ms"});
  process reader = start_reader();
  process both = start_clients("wait_for('go')\nbystander.shutdown()\n");
  wait_for("zeroed");
  EXPECT_FALSE(eventually([&] { return !server.running(); }, std::chrono::seconds(1)));
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, both.wait()));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(
      mentions(ended.err, "every writer has disconnected, but 1 connection that has not written"));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), std::string(512, '\0')));
}

class DisconnectBehindAWrite : public integration_test {};

/// The client sends the handshake, the write and the disconnect in one packet, and then only reads.
TEST_F(DisconnectBehindAWrite, DoesNotLoseTheReply) {
  const auto port = free_port();
  process server = start_listening({"--sink", "fifo:output", "-p", std::to_string(port)});
  scripted_client script;
  script.flags().go().write(0, "hello").disc();
  peer client = connect_tcp(port);
  checked(::write(client.fd(), script.script().data(), script.script().size()), "write");
  process reader = start_reader();
  EXPECT_EQ(client.drain(), ending::end_of_file);
  const transcript heard = script.parse(client.received());
  EXPECT_EQ(heard.wrong + heard.leftover, "");
  ASSERT_EQ(heard.answers.size(), 1U);
  EXPECT_EQ(heard.answers[0].cookie, 1U);
  EXPECT_EQ(heard.answers[0].error, 0U);
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

}  // namespace
}  // namespace nbdstream::test
