// SPDX-License-Identifier: BSD-3-Clause
//
// Without --run the clean disconnect (NBD_CMD_DISC) of each connection decides how a stream ends.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class CleanDisconnect : public integration_test {
 protected:
  /// Starts a server without --size, and a reader.
  void serve(const arguments& more = {}) {
    arguments args{"--sink", "fifo:output"};
    args.insert(args.end(), more.begin(), more.end());
    server_.push_back(start_listening(args));
    server_.push_back(start_reader());
  }

  /// Waits for the end of the server and of the reader. Returns how the server ended.
  result wait_for_end() {
    result ended = server_.front().wait();
    EXPECT_TRUE(ended_with(0, server_.back().wait()));
    server_.clear();
    return ended;
  }

 private:
  std::vector<process> server_;  ///< the server and its reader
};

TEST_F(CleanDisconnect, AbsenceAbortsTheStreamAndTheLogSuggestsRun) {
  serve();
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0)")));
  const result ended = wait_for_end();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "--run"));
}

/// One request is larger than the pipe, so qemu-img cannot have finished before it is killed.
TEST_F(CleanDisconnect, KilledQemuImgAbortsTheStream) {
  make_raw(path("in.raw"), 16 * MiB);
  process server = start_listening({"--sink", "fifo:output"});
  process writer =
      start({"qemu-img", "convert", "-n", "-f", "raw", "in.raw", "-O", "raw", unix_uri});
  peer reader = open_fifo(path("output"));
  reader.take(MiB);
  writer.signal(SIGKILL);
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_TRUE(ended_with(1, server.wait()));
}

TEST_F(CleanDisconnect, StreamContinuesWhileAnotherConnectionWrites) {
  serve();
  EXPECT_TRUE(ended_with(0, client(R"(
other = another_connection()
h.pwrite(b'first', 0)
other.pwrite(b'second', 5)
h.shutdown()
other.pwrite(b'third', 11)
other.shutdown()
)")));
  EXPECT_TRUE(ended_with(0, wait_for_end()));
  EXPECT_TRUE(holds(path("out.raw"), "firstsecondthird"));
}

TEST_F(CleanDisconnect, ProbeNeitherBeginsNorEndsAStream) {
  serve();
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", unix_uri}).wait()));
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--list", unix_uri}).wait()));
  EXPECT_TRUE(ended_with(0, client(R"(
h.pwrite(b'hello', 0)
assert os.system('nbdinfo --size "nbd+unix:///?socket=sock" >/dev/null') == 0
h.pwrite(b', world', 5)
h.shutdown()
)")));
  EXPECT_TRUE(ended_with(0, wait_for_end()));
  EXPECT_TRUE(holds(path("out.raw"), "hello, world"));
}

TEST_F(CleanDisconnect, PortScanNeitherBeginsNorEndsAStream) {
  const auto port = free_port();
  serve({"-p", std::to_string(port)});
  for (int i = 0; i < 3; ++i) connect_tcp(port).leave();
  peer silent = connect_tcp(port);
  peer babbling = connect_tcp(port);
  checked(::write(babbling.fd(), "GET / HTTP/1.0\r\n\r\n", 18), "write");
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()")));
  EXPECT_TRUE(ended_with(0, wait_for_end()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_F(CleanDisconnect, CommitsWithAWarningIfNeitherSizeNorRunIsGiven) {
  serve();
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()")));
  const result ended = wait_for_end();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "warning"));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_F(CleanDisconnect, CommitsASingleStreamOverStdin) {
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, start({"nbdsh", "-c", R"(
h.connect_command(["nbdstream", "--single", "--sink", "fifo:output"])
h.pwrite(b'hello', 0)
h.shutdown()
)"})
                                .wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_F(CleanDisconnect, FailsASingleStreamWithoutWrites) {
  const result ended = start({"/usr/bin/python3", "-c", R"(
import nbd, socket, subprocess
ours, theirs = socket.socketpair()
server = subprocess.Popen(["nbdstream", "--single", "--sink", "fifo:output"],
                          stdin=theirs, stdout=theirs)
theirs.close()
h = nbd.NBD()
h.connect_socket(ours.detach())
h.shutdown()
raise SystemExit(server.wait())
)"})
                           .wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "nothing was written"));
}

}  // namespace
}  // namespace nbdstream::test
