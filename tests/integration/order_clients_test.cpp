// SPDX-License-Identifier: BSD-3-Clause
//
// Real clients that write out of order, or leave out what is zero, or use several connections.
#include "support/order_test.hpp"

namespace nbdstream::test {
namespace {

class order_clients : public order_test {
 protected:
  /// An NBD server on the socket `source` with in.raw in it, whose first bytes are slow to come:
  /// they are read only after what is 32 MiB behind them. qemu-img has 16 pieces of 2 MiB under way
  /// with `-m 16`; so before it asks for that, at least one other piece was written and answered.
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

  /// Copies from there; the stream must be in.raw. Returns nbdstream's log.
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

TEST_F(order_clients, qemu_img_is_in_order) {
  make_disk();
  EXPECT_EQ(closing_line_of(log_of(convert)).ahead, 0);
}

TEST_F(order_clients, qemu_img_W_behind_an_uneven_source_is_put_in_order_in_memory) {
  const closing_line end = closing_line_of(log_of_uneven_copy({}));
  EXPECT_GT(end.ahead, 0);
  EXPECT_GE(end.furthest, MiB);
  EXPECT_GT(end.memory, 0);
  EXPECT_EQ(end.spilled, 0);
}

TEST_F(order_clients, qemu_img_W_behind_an_uneven_source_is_put_in_order_by_a_file) {
  const closing_line end =
      closing_line_of(log_of_uneven_copy({"--order", "spill", "--window", "1M"}));
  EXPECT_GT(end.ahead, 0);
  EXPECT_LE(end.memory, MiB);
  EXPECT_GT(end.spilled, 0);
}

TEST_F(order_clients, qemu_img_S_0_sends_every_zero_as_payload) {
  make_disk();
  EXPECT_EQ(closing_line_of(log_of(R"(qemu-img convert -n -S 0 in.qcow2 -O raw "$uri")")).zeroes,
            0);
}

const std::string target_is_zero = R"(qemu-img convert -n --target-is-zero in.qcow2 -O raw "$uri")";

TEST_F(order_clients, qemu_img_that_skips_zeroes_makes_a_whole_disk_also_with_a_small_window) {
  make_disk(32 * MiB);
  const closing_line end = closing_line_of(
      log_of(target_is_zero, {"--size", "32M", "--window", "1M", "--stall", "200ms"}));
  EXPECT_EQ(end.bytes, 32 * MiB);
  EXPECT_GE(end.zeroes, 16 * MiB);
}

TEST_F(order_clients, qemu_img_that_skips_zeroes_is_incomplete_where_gaps_are_refused) {
  make_disk();
  process server = start_listening({"--sink", "fifo:output", "--size", "8M"});
  process reader = start_reader();
  EXPECT_TRUE(ended_with(
      0, start({"qemu-img", "convert", "-n", "--target-is-zero", "in.qcow2", "-O", "raw", unix_uri})
             .wait()));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "never named by any request"));
  EXPECT_TRUE(mentions(ended.err, "--gaps allow"));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

/// It zeroes the beginning on a connection of its own, says goodbye there, and begins anew.
TEST_F(order_clients, qemu_img_without_n_makes_one_stream_of_two_connections_without_run) {
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

/// With as many islands, and as large, no connection can have done it all before the last begins.
TEST_F(order_clients, nbdcopy_over_four_connections_makes_one_stream) {
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

/// Each block of 256 KiB carries its own offset, eight bytes at a time.
TEST_F(order_clients, fio_writes_each_block_of_a_disk_once_in_random_order) {
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

TEST_F(order_clients, script_that_writes_backwards_is_counted_exactly) {
  make_raw(path("in.raw"), 8 * MiB);
  const closing_line end = closing_line_of(log_of(client_command(backwards)));
  EXPECT_EQ(end.bytes, 8 * MiB);
  EXPECT_EQ(end.zeroes, 0);
  EXPECT_EQ(end.ahead, 127);
  EXPECT_EQ(end.furthest, 8 * MiB - 64 * KiB);
  EXPECT_GE(end.memory, 8 * MiB - 64 * KiB);
  EXPECT_EQ(end.spilled, 0);
}

TEST_F(order_clients, that_go_on_in_order_are_spliced_again_and_never_touch_the_disk) {
  // 8 MiB from behind, which fit the window, and then 64 MiB in order.
  make_sparse(path("in.raw"), 72 * MiB);
  const std::string client = client_command(R"(
data = file('in.raw')
step = 256 << 10
for at in range((8 << 20) - step, -1, -step):
    send(data[at:at + step], at)
for at in range(8 << 20, len(data), step):
    send(data[at:at + step], at)
h.shutdown()
)");
  const std::string log =
      log_of(client, {"--order", "spill", "--log-level", "debug", "--size", "72M"});
  const closing_line end = closing_line_of(log);
  EXPECT_GT(end.memory, 7 * MiB);
  EXPECT_EQ(end.spilled, 0);
  std::smatch found;
  ASSERT_TRUE(
      std::regex_search(log, found, std::regex(R"((\d+) bytes were spliced from sockets)")));
  // What was read ahead before the first splice is copied.
  EXPECT_GT(std::stoull(found[1]), 60 * MiB) << log;
}

}  // namespace
}  // namespace nbdstream::test
