// SPDX-License-Identifier: BSD-3-Clause
//
// Readers of the FIFO come late, read slowly, or leave.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class FifoReader : public integration_test {
 protected:
  /// Sends one request without waiting for its answer, then stays until it is killed.
  process start_client_that_waits() const {
    process waiting = start_client("write_and_stay(b'\\x01' * 512)");
    wait_for("sent");
    return waiting;
  }
};

TEST_F(FifoReader, LateReaderGetsEveryByte) {
  make_disk();
  process server = start_nbdstream({"--sink", "fifo:output", "--run",
                                    R"(touch begun; qemu-img convert -n in.qcow2 -O raw "$uri")"});
  wait_for("begun");
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(FifoReader, ClientsNegotiateBeforeAReaderComes) {
  process server = start_listening({"--sink", "fifo:output"});
  process first = start_client_that_waits();
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()));
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'\\x02' * 512, 512); h.shutdown()")));
  first.signal(SIGKILL);
  EXPECT_TRUE(ended_with(1, server.wait()));  // the first client has not disconnected cleanly
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), std::string(512, '\x01') + std::string(512, '\x02')));
}

TEST_F(FifoReader, SlowReaderGetsEveryByte) {
  make_disk(4 * MiB);
  process server = start_nbdstream({"--sink", "fifo:output", "--run", convert});
  wait_for("output");
  peer reader = open_fifo(path("output"));
  for (int i = 0; i < 500; ++i) reader.take(1000);
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(reader.received() == read_file(path("in.raw")));
}

TEST_F(FifoReader, ReaderGoneMidStreamFailsStreamAndClient) {
  make_raw(path("in.raw"), 16 * MiB);
  process server = start_listening({"--sink", "fifo:output", "--size", "16M"});
  process writer = start_client("send(file('in.raw')); h.shutdown()");
  peer reader = open_fifo(path("output"));
  reader.take(MiB);
  reader.leave();
  const result failed = writer.wait();
  EXPECT_NE(failed.status, 0);
  EXPECT_TRUE(mentions(failed.err, "Input/output error"));
  EXPECT_TRUE(ended_with(1, server.wait()));
}

TEST_F(FifoReader, ReaderGoneBeforeTheLastByteFailsTheStream) {
  process server = start_nbdstream({"--sink", "fifo:output", "--run",
                                    client_command("h.pwrite(b'never read', 0)") + "; touch done"});
  wait_for("output");
  peer reader = open_fifo(path("output"));
  wait_for("done");
  reader.leave();
  EXPECT_TRUE(ended_with(1, server.wait()));
}

TEST_F(FifoReader, CommitWaitsUntilTheLastByteIsRead) {
  process server = start_nbdstream(
      {"--sink", "fifo:output", "--run", client_command("h.pwrite(b'taken late', 0)")});
  wait_for("output");
  peer reader = open_fifo(path("output"));
  EXPECT_EQ(reader.take(9), "taken lat");
  EXPECT_TRUE(server.running());
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_TRUE(ended_with(0, server.wait()));
}

TEST_F(FifoReader, ReaderTimeoutFailsAStreamWithoutReader) {
  const result ended = nbdstream({"--sink", "fifo:output", "-o", "reader-timeout=100ms", "--run",
                                  client_command("h.pwrite(b'hello', 0)")});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "output"));
  EXPECT_TRUE(mentions(ended.err, "reader"));
  EXPECT_FALSE(mentions(ended.err, "the first write waits"));
}

TEST_F(FifoReader, LogReportsThatTheFirstWriteWaitsForAReader) {
  const result ended = nbdstream({"--sink", "fifo:output", "-o", "reader-timeout=2200ms", "--run",
                                  client_command("h.pwrite(b'hello', 0)")});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "output: it has no reader; the first write waits"));
}

/// The reader `first` leaves in the middle of the stream, and `second` opens the FIFO.
class ReplacedFifoReader : public integration_test {
 protected:
  [[nodiscard]] result exchanged(process server) {
    return exchanged(std::move(server), open_fifo(path("output")));
  }
  [[nodiscard]] result exchanged(process server, peer first) {
    process writer = start_client(
        "h.pwrite(b'\\x01' * 4096, 0)\ntouch('half')\nwait_for('go')\n"
        "h.pwrite(b'\\x02' * 4096, 4096)\nh.shutdown()");
    wait_for("half");
    first.take(4096);
    first.leave();
    peer second = open_fifo(path("output"));
    write_file(path("go"), "");
    EXPECT_EQ(second.drain(), ending::end_of_file);
    writer.wait();
    return server.wait();
  }
};

TEST_F(ReplacedFifoReader, AbortsTheStreamOfAFifoTheSinkMade) {
  const result ended = exchanged(start_listening({"--sink", "fifo:output", "--size", "8k"}));
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "a reader closed the FIFO in the middle of the stream"));
}

TEST_F(ReplacedFifoReader, AbortsTheStreamOfAnExistingFifo) {
  ASSERT_EQ(::mkfifo(path("output").c_str(), 0600), 0);
  EXPECT_TRUE(ended_with(1, exchanged(start_listening({"--sink", "fifo:output", "--size", "8k"}))));
}

TEST_F(ReplacedFifoReader, AbortsTheStreamOnStandardOutput) {
  ASSERT_EQ(::mkfifo(path("output").c_str(), 0600), 0);
  process server = start(
      {"/bin/sh", "-c", "exec nbdstream -U sock --pidfile pid --sink stdout --size 8k >output"});
  peer first = open_fifo(path("output"));
  wait_for("pid");
  const result ended = exchanged(std::move(server), std::move(first));
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "a reader closed the FIFO in the middle of the stream"));
}

}  // namespace
}  // namespace nbdstream::test
