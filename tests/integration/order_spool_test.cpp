// SPDX-License-Identifier: BSD-3-Clause
//
// Clients that rewrite blocks and read them back: nbdstream keeps the whole disk until the end.
#include "support/order_test.hpp"

namespace nbdstream::test {
namespace {

class SpoolOrder : public order_test {};

/// The stream is a qcow2 file, followed by zeroes up to the size of the export.
TEST_F(SpoolOrder, QemuImgCanWriteQcow2) {
  make_disk();
  process reader = start_reader();
  const result ended = nbdstream(running(R"(qemu-img convert in.qcow2 -O qcow2 "$uri")",
                                         {"--order", "spool", "--size", "16M"}));
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(ended_with(0, start({"qemu-img", "check", "-f", "qcow2", "out.raw"}).wait()));
  const result compared =
      start({"qemu-img", "compare", "-f", "raw", "-F", "qcow2", "in.raw", "out.raw"}).wait();
  EXPECT_EQ(compared.status, 0) << compared.out << compared.err;
  EXPECT_EQ(std::filesystem::file_size(path("out.raw")), 16 * MiB);
}

/// Writes, zeroes and reads at random offsets, as mkfs does. in.raw is the expected disk.
const std::string rewrites_at_random = R"(
import random
rng = random.Random(5)
size = 16 << 20
model = bytearray(size)
for i in range(600):
    length = rng.choice([512, 4096, 65536, 300000])
    at = rng.randrange(size - length)
    kind = rng.randrange(4)
    if kind == 0:
        assert h.pread(length, at) == model[at:at + length], (i, at, length)
    elif kind == 1:
        h.zero(length, at)
        model[at:at + length] = bytes(length)
    else:
        data = rng.randbytes(length)
        h.pwrite(data, at)
        model[at:at + length] = data
    if i % 100 == 0:
        h.flush()
open('in.raw', 'wb').write(model)
h.shutdown()
)";

/// Without --run. Like mkfs, the client does not write every byte.
TEST_F(SpoolOrder, LastRewriteWinsAndGapsAreZero) {
  process server = start_listening({"--sink", "fifo:output", "--order", "spool", "--size", "16M"});
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, client(rewrites_at_random)));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(SpoolOrder, FioVerifiesDiskWrittenTwice) {
  process reader = start_reader();
  const result ended = nbdstream(
      running("fio --name=all --ioengine=nbd --uri=\"$uri\" --rw=randwrite --norandommap=0"
              " --loops=2 --bs=4k --size=4M --iodepth=16 --verify=crc32c --verify_state_save=0"
              " --output=fio.out",
              {"--order", "spool", "--size", "4M"}));
  EXPECT_TRUE(ended_with(0, ended)) << read_file(path("fio.out"));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_EQ(std::filesystem::file_size(path("out.raw")), 4 * MiB);
}

}  // namespace
}  // namespace nbdstream::test
