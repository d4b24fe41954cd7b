// SPDX-License-Identifier: BSD-3-Clause
//
// Real clients that write out of order, skip zeroes or use several connections.
#include "support/order_test.hpp"

namespace nbdstream::test {
namespace {

class ClientOrder : public order_test {
 protected:
  /// An NBD server on the socket `source` that serves in.raw. It delays the read at offset 0 until
  /// a client has asked for data at 32 MiB. With `-m 16`, qemu-img has 16 reads of 2 MiB in flight,
  /// so before it reads at 32 MiB it has written at least one other piece and got the reply.
  [[nodiscard]] process start_uneven_source() const {
    const std::string pread = R"(pread=
case $4 in 0) until [ -e far ]; do sleep 0.01; done ;; esac
[ $4 -lt 33554432 ] || : > far
dd if=in.raw iflag=count_bytes,skip_bytes bs=64k skip=$4 count=$3 status=none)";
    process source = start({"nbdkit", "-f", "-U", "source", "-P", "source.pid", "eval",
                            "thread_model=echo parallel", "get_size=stat -c %s in.raw", pread});
    wait_for("source.pid");
    return source;
  }

  /// Copies from that server; the stream must equal in.raw. Returns nbdstream's log.
  std::string log_of_uneven_copy(const arguments& more) const {
    make_sparse(path("in.raw"), 64 * MiB);
    process source = start_uneven_source();
    std::string log = log_of(
        "qemu-img convert -n -W -m 16 -f raw 'nbd+unix:///?socket=source' -O raw \"$uri\"", more);
    source.signal(SIGTERM);
    EXPECT_TRUE(ended_with(0, source.wait()));
    return log;
  }
};

TEST_F(ClientOrder, QemuImgWritesInOrder) {
  make_disk();
  EXPECT_EQ(closing_line_of(log_of(convert)).ahead, 0);
}

TEST_F(ClientOrder, QemuImgWithWIsReorderedInMemory) {
  const closing_line end = closing_line_of(log_of_uneven_copy({}));
  EXPECT_GT(end.ahead, 0);
  EXPECT_GE(end.furthest, MiB);
  EXPECT_GT(end.memory, 0);
  EXPECT_EQ(end.spilled, 0);
}

TEST_F(ClientOrder, QemuImgWithWIsReorderedInSpillFile) {
  const closing_line end =
      closing_line_of(log_of_uneven_copy({"--order", "spill", "--window", "1M"}));
  EXPECT_GT(end.ahead, 0);
  EXPECT_LE(end.memory, MiB);
  EXPECT_GT(end.spilled, 0);
}

TEST_F(ClientOrder, QemuImgWithS0SendsZeroesAsPayload) {
  make_disk();
  EXPECT_EQ(closing_line_of(log_of(R"(qemu-img convert -n -S 0 in.qcow2 -O raw "$uri")")).zeroes,
            0);
}

const std::string target_is_zero = R"(qemu-img convert -n --target-is-zero in.qcow2 -O raw "$uri")";

TEST_F(ClientOrder, QemuImgThatSkipsZeroesFillsDiskThroughSmallWindow) {
  make_disk(32 * MiB);
  const closing_line end = closing_line_of(
      log_of(target_is_zero, {"--size", "32M", "--window", "1M", "--stall", "200ms"}));
  EXPECT_EQ(end.bytes, 32 * MiB);
  EXPECT_GE(end.zeroes, 16 * MiB);
}

TEST_F(ClientOrder, QemuImgThatSkipsZeroesIsAbortedWithoutGapsAllow) {
  make_disk();
  process server = start_listening({"--sink", "fifo:output", "--size", "8M"});
  process reader = start_reader();
  EXPECT_TRUE(ended_with(
      0, start({"qemu-img", "convert", "-n", "--target-is-zero", "in.qcow2", "-O", "raw", unix_uri})
             .wait()));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "not covered by any write or zero request"));
  EXPECT_TRUE(mentions(ended.err, "--gaps allow"));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

/// qemu-img zeroes the beginning on a first connection, disconnects, and opens a second one.
TEST_F(ClientOrder, QemuImgWithoutNMakesOneStreamFromTwoConnections) {
  make_disk();
  process server =
      start_listening({"-v", "--sink", "fifo:output", "--size", "8M", "--settle", "60s"});
  process reader = start_comparison();
  EXPECT_TRUE(
      ended_with(0, start({"qemu-img", "convert", "in.qcow2", "-O", "raw", unix_uri}).wait()));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(writers_of(ended.err), 2);
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

/// The islands are so many and so large that no connection can copy all of them before the last
/// connection begins.
TEST_F(ClientOrder, NbdcopyMakesOneStreamFromFourConnections) {
  make_islands("in.raw", 1024 * MiB, 128 * MiB, 12 * MiB);
  const std::string log =
      log_of(R"(nbdcopy --connections=4 --threads=4 --requests=16 in.raw "$uri")",
             {"-v", "--order", "spill", "--window", "4M"});
  EXPECT_EQ(writers_of(log), 4);
  const closing_line end = closing_line_of(log);
  EXPECT_GE(end.furthest, 128 * MiB);
  EXPECT_LE(end.memory, 4 * MiB);
  EXPECT_GT(end.spilled, 0);
}

/// Each block of 256 KiB is filled with its own offset, which takes eight bytes.
TEST_F(ClientOrder, FioWritesEachBlockOnceInRandomOrder) {
  write_file(path("check.py"), R"(
import struct
with open('output', 'rb') as stream:
    for at in range(0, 1 << 30, 1 << 18):
        if stream.read(1 << 18) != struct.pack('<Q', at) * (1 << 15):
            raise SystemExit(f'block {at} is another')
    if stream.read(1):
        raise SystemExit('there is more')
)");
  process reader =
      start_shell("until [ -p output ]; do sleep 0.01; done; exec /usr/bin/python3 check.py");
  const result ended =
      start_nbdstream(
          running("fio --name=all --ioengine=nbd --uri=\"$uri\" --rw=randwrite --norandommap=0"
                  " --bs=256k --size=1G --iodepth=32 --verify=pattern --verify_pattern=%o"
                  " --do_verify=0 --verify_state_save=0 --output=fio.out",
                  {"--order", "spill", "--size", "1G", "--gaps", "refuse"}))
          .wait(long_patience);
  EXPECT_TRUE(ended_with(0, ended)) << read_file(path("fio.out"));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  const closing_line end = closing_line_of(ended.err);
  EXPECT_GT(end.ahead, 3000);
  EXPECT_LE(end.memory, 64 * MiB);
  EXPECT_GT(end.spilled, 128 * MiB);
}

const std::string backwards = R"(
data = file('in.raw')
for at in reversed(range(0, len(data), 65536)):
    h.pwrite(data[at:at + 65536], at)
h.shutdown()
)";

TEST_F(ClientOrder, BackwardWritesAreCountedExactly) {
  make_raw(path("in.raw"), 8 * MiB);
  const closing_line end = closing_line_of(log_of(client_command(backwards)));
  EXPECT_EQ(end.bytes, 8 * MiB);
  EXPECT_EQ(end.zeroes, 0);
  EXPECT_EQ(end.ahead, 127);
  EXPECT_EQ(end.furthest, 8 * MiB - 64 * KiB);
  EXPECT_GE(end.memory, 8 * MiB - 64 * KiB);
  EXPECT_EQ(end.spilled, 0);
}

TEST_F(ClientOrder, InOrderWritesAreSplicedAgainAfterReordering) {
  // First 8 MiB backwards, which fit into the window, and then 64 MiB in order. The client waits
  // until the held bytes were sent: one that goes on at once can stay ahead of them, and is then
  // copied.
  make_sparse(path("in.raw"), 72 * MiB);
  const std::string client = client_command(R"(
import re, socket
def sent():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect('control')
        s.sendall(b'GET /metrics HTTP/1.0\r\n\r\n')
        text = b''.join(iter(lambda: s.recv(1 << 16), b''))
    return float(re.search(rb'\nnbdstream_stream_sent_bytes_total\S* (\S+)', text)[1])
data = file('in.raw')
step = 256 << 10
for at in range((8 << 20) - step, -1, -step):
    send(data[at:at + step], at)
while sent() < 8 << 20:
    pass
for at in range(8 << 20, len(data), step):
    send(data[at:at + step], at)
h.shutdown()
)");
  const std::string log = log_of(client, {"--order", "spill", "--log-level", "debug", "--size",
                                          "72M", "--control", "control"});
  const closing_line end = closing_line_of(log);
  EXPECT_GT(end.memory, 7 * MiB);
  EXPECT_EQ(end.spilled, 0);
  std::smatch found;
  ASSERT_TRUE(
      std::regex_search(log, found, std::regex(R"((\d+) bytes were spliced from sockets)")));
  // Bytes that were read before the first splice are copied.
  EXPECT_GT(std::stoull(found[1]), 60 * MiB) << log;
}

}  // namespace
}  // namespace nbdstream::test
