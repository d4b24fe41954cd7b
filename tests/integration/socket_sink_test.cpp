// SPDX-License-Identifier: BSD-3-Clause
//
// The socket sink; a TCP peer can tell a whole stream from a broken one.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class SocketSink : public integration_test {
 protected:
  static std::string to(const listener& server) {
    return "socket:tcp://127.0.0.1:" + std::to_string(server.port());
  }

  /// Begins to send more than the socket buffers can hold.
  process start_sending(const listener& server) const {
    make_raw(path("in.raw"), 32 * MiB);
    return start_nbdstream(
        {"--sink", to(server), "--run", R"(nbdcopy --synchronous in.raw "$uri")"});
  }

  /// Streams in.qcow2 to a listener on `sock.out`. `target` is its address for the sink.
  void expect_in_raw_at(const std::string& target) {
    make_disk();
    listener server = listener::unix_socket(path("sock.out"));
    process sender = start_nbdstream({"--sink", "socket:" + target, "--run", convert});
    peer receiver = server.accept();
    EXPECT_EQ(receiver.drain(), ending::end_of_file);
    EXPECT_TRUE(ended_with(0, sender.wait()));
    EXPECT_TRUE(receiver.received() == read_file(path("in.raw")));
  }
};

TEST_F(SocketSink, WholeTcpStreamEndsWithEndOfFile) {
  make_disk();
  listener server = listener::tcp();
  process sender = start_nbdstream({"--sink", to(server), "--run", convert});
  peer receiver = server.accept();
  EXPECT_EQ(receiver.drain(), ending::end_of_file);
  EXPECT_TRUE(ended_with(0, sender.wait()));
  EXPECT_TRUE(receiver.received() == read_file(path("in.raw")));
}

TEST_F(SocketSink, BrokenTcpStreamEndsWithReset) {
  listener server = listener::tcp();
  process sender = start_nbdstream(
      {"--sink", to(server), "--run", client_command("h.pwrite(b'half', 0)") + "; exit 7"});
  peer receiver = server.accept();
  EXPECT_EQ(receiver.drain(), ending::reset);
  EXPECT_TRUE(ended_with(7, sender.wait()));
}

TEST_F(SocketSink, SigtermResetsTcpConnection) {
  listener server = listener::tcp();
  process sender = start_sending(server);
  peer receiver = server.accept();
  receiver.take(MiB);
  sender.signal(SIGTERM);
  EXPECT_EQ(receiver.drain(), ending::reset);
  EXPECT_TRUE(ended_with(128 + SIGTERM, sender.wait()));
}

TEST_F(SocketSink, SendsToUnixSocketByPathAndUri) {
  expect_in_raw_at(path("sock.out"));
  std::filesystem::remove(path("sock.out"));
  expect_in_raw_at("unix://" + path("sock.out").string());
}

TEST_F(SocketSink, FailsWhenPeerLeaves) {
  listener server = listener::tcp();
  process sender = start_sending(server);
  peer receiver = server.accept();
  receiver.take(MiB);
  receiver.leave();
  EXPECT_TRUE(ended_with(1, sender.wait()));
}

TEST_F(SocketSink, RefusesBadAddressBeforeListening) {
  const result ended = nbdstream({"--sink", "socket:tcp://127.0.0.1", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "tcp://127.0.0.1"));
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
}

}  // namespace
}  // namespace nbdstream::test
