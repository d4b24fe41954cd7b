// SPDX-License-Identifier: BSD-3-Clause
//
// The socket sink; a TCP peer can tell a whole stream from a broken one.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class socket_sink : public integration_test {
 protected:
  static std::string to(const listener& server) {
    return "socket:tcp://127.0.0.1:" + std::to_string(server.port());
  }

  /// Begins to send more than the sockets on the way can hold.
  process start_sending(const listener& server) const {
    make_raw(path("in.raw"), 32 * MiB);
    return start_nbdstream(
        {"--sink", to(server), "--run", R"(nbdcopy --synchronous in.raw "$uri")"});
  }

  /// Streams in.qcow2 to a listener on `sock.out`, which the sink is told as `target`.
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

TEST_F(socket_sink, ends_a_whole_stream_over_tcp_with_end_of_file) {
  make_disk();
  listener server = listener::tcp();
  process sender = start_nbdstream({"--sink", to(server), "--run", convert});
  peer receiver = server.accept();
  EXPECT_EQ(receiver.drain(), ending::end_of_file);
  EXPECT_TRUE(ended_with(0, sender.wait()));
  EXPECT_TRUE(receiver.received() == read_file(path("in.raw")));
}

TEST_F(socket_sink, ends_a_broken_stream_over_tcp_with_a_reset) {
  listener server = listener::tcp();
  process sender = start_nbdstream(
      {"--sink", to(server), "--run", client_command("h.pwrite(b'half', 0)") + "; exit 7"});
  peer receiver = server.accept();
  EXPECT_EQ(receiver.drain(), ending::reset);
  EXPECT_TRUE(ended_with(7, sender.wait()));
}

TEST_F(socket_sink, resets_the_connection_when_a_signal_ends_the_stream) {
  listener server = listener::tcp();
  process sender = start_sending(server);
  peer receiver = server.accept();
  receiver.take(MiB);
  sender.signal(SIGTERM);
  EXPECT_EQ(receiver.drain(), ending::reset);
  EXPECT_TRUE(ended_with(128 + SIGTERM, sender.wait()));
}

TEST_F(socket_sink, sends_to_a_unix_socket_by_uri) {
  expect_in_raw_at("unix://" + path("sock.out").string());
}

TEST_F(socket_sink, sends_to_a_unix_socket_by_path) {
  expect_in_raw_at(path("sock.out"));
}

TEST_F(socket_sink, fails_the_stream_when_the_peer_leaves) {
  listener server = listener::tcp();
  process sender = start_sending(server);
  peer receiver = server.accept();
  receiver.take(MiB);
  receiver.leave();
  EXPECT_TRUE(ended_with(1, sender.wait()));
}

TEST_F(socket_sink, fails_the_stream_when_nobody_listens) {
  const std::string target = "tcp://127.0.0.1:" + std::to_string(free_port());
  const result ended =
      nbdstream({"--sink", "socket:" + target, "--run", client_command("h.pwrite(b'hello', 0)")});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "refused"));
}

TEST_F(socket_sink, connects_with_the_first_write_and_not_before) {
  listener server = listener::tcp();
  process sender = start_listening({"--sink", to(server)});
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", unix_uri}).wait()));
  EXPECT_TRUE(server.untouched());
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()")));
  peer receiver = server.accept();
  EXPECT_EQ(receiver.drain(), ending::end_of_file);
  EXPECT_TRUE(ended_with(0, sender.wait()));
}

TEST_F(socket_sink, makes_a_connection_for_each_stream) {
  listener server = listener::tcp();
  process sender = start_listening({"--sink", to(server), "--streams", "2"});
  for (const std::string text : {"first", "second"}) {
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'" + text + "', 0); h.shutdown()")));
    peer receiver = server.accept();
    EXPECT_EQ(receiver.drain(), ending::end_of_file);
    EXPECT_EQ(receiver.received(), text);
  }
  EXPECT_TRUE(ended_with(0, sender.wait()));
}

class bad_address : public integration_test, public ::testing::WithParamInterface<std::string> {};

TEST_P(bad_address, is_a_configuration_error) {
  const result ended = nbdstream({"--sink", "socket:" + GetParam(), "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, GetParam()));
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
}

INSTANTIATE_TEST_SUITE_P(socket_sink, bad_address,
                         ::testing::Values("ftp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://:80",
                                           "tcp://127.0.0.1:65536", "tcp://127.0.0.1:http"));

}  // namespace
}  // namespace nbdstream::test
