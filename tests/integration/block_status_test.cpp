// SPDX-License-Identifier: BSD-3-Clause
//
// What NBD_CMD_BLOCK_STATUS tells clients about an export while a stream is written.
#include "support/order_test.hpp"

namespace nbdstream::test {
namespace {

/// Python for a client of a disk of 1 MiB, which the server holds completely. map(offset, length,
/// flags) returns [length, flags, ...] of the extents; pieces(offset, length, flags) returns the
/// data of a structured read, and (offset, length, type) of its chunks.
const std::string asking = R"(
import json, os, subprocess
os.environ["uri"] = uri
h = nbd.NBD()
h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri(uri)

def map(offset, length, flags=0):
    found = []
    h.block_status(length, offset, lambda name, at, all, error: found.extend(all), flags)
    return found

def pieces(offset, length, flags=0):
    found = []
    def take(data, at, what, error):
        found.append((at, len(data), what))
    data = h.pread_structured(length, offset, take, flags)
    return data, found

def output(command):
    # nbdinfo of Debian 12 prints uninitialized bytes if it cannot find out what a disk contains.
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True,
                          errors="replace").stdout
)";

const std::string written = R"(
data = b"\x55" * 65536
h.pwrite(data, 65536)
h.zero(65536, 262144)
)";

class BlockStatus : public integration_test {
 protected:
  void expect_success(const std::string& script) {
    process server = start_listening({"--sink", "fifo:output", "--order", "spool", "--size", "1M"});
    process reader = start_reader();
    const std::string define = "uri = '" + unix_uri + "'\n";
    EXPECT_TRUE(
        ended_with(0, client(define + asking + script + "\nh.pwrite(b'.', 0)\nh.shutdown()\n")));
    EXPECT_TRUE(ended_with(0, server.wait()));
    EXPECT_TRUE(ended_with(0, reader.wait()));
  }
};

TEST_F(BlockStatus, ReflectsEarlierWritesAndZeroes) {
  expect_success(R"(
assert map(0, 1 << 20) == [1 << 20, 3], map(0, 1 << 20)
)" + written + R"(
whole = [65536, 3, 65536, 0, 131072, 3, 65536, 2, 720896, 3]
assert map(0, 1 << 20) == whole, map(0, 1 << 20)
assert map(70000, 100, nbd.CMD_FLAG_REQ_ONE) == [100, 0]
assert map(0, 1 << 20, nbd.CMD_FLAG_REQ_ONE) == [65536, 3]
h.zero(4096, 65536)
assert map(65536, 8192) == [4096, 2, 4096, 0]
)");
}

TEST_F(BlockStatus, AgreesWithTheChunksOfAStructuredRead) {
  expect_success(written + R"(
expected = bytes(65536) + data + bytes((1 << 20) - 131072)
got, found = pieces(0, 1 << 20)
assert got == expected
assert found == [(0, 65536, nbd.READ_HOLE), (65536, 65536, nbd.READ_DATA),
                 (131072, 917504, nbd.READ_HOLE)], found
got, found = pieces(0, 1 << 20, nbd.CMD_FLAG_DF)
assert got == expected
assert found == [(0, 1 << 20, nbd.READ_DATA)], found
)");
}

TEST_F(BlockStatus, NbdinfoAndQemuImgMapShowDataHolesAndZeroes) {
  expect_success(written + R"(
rows = json.loads(output('nbdinfo --map --json "$uri"'))
shown = [(r["offset"], r["length"], r["type"]) for r in rows]
assert shown == [(0, 65536, 3), (65536, 65536, 0), (131072, 131072, 3), (262144, 65536, 2),
                 (327680, 720896, 3)], shown
rows = json.loads(output('qemu-img map --output=json -f raw "$uri"'))
shown = [(r["start"], r["length"], r["data"], r["zero"]) for r in rows]
assert shown == [(0, 65536, False, True), (65536, 65536, True, False),
                 (131072, 131072, False, True), (262144, 65536, True, True),
                 (327680, 720896, False, True)], shown
said = output('qemu-io -r -f raw -c "read -P 0x55 65536 65536" -c "read -P 0 0 65536" "$uri"')
assert "failed" not in said, said
)");
}

/// qemu-img copies whole sectors of 512 bytes; the data begin and end inside of sectors.
TEST_F(BlockStatus, QemuImgConvertCopiesUnalignedData) {
  expect_success(R"(
h.pwrite(b"\x55" * 1000, 65836)
output('qemu-img convert -f raw "$uri" -O raw copy')
assert open("copy", "rb").read() == h.pread(1 << 20, 0)
)");
}

TEST_F(BlockStatus, NbdinfoReportsBaseAllocationAndCapabilities) {
  expect_success(R"(
info = json.loads(output('nbdinfo --json "$uri"'))
assert info["structured"], info
export = info["exports"][0]
assert export["contexts"] == ["base:allocation"], export
for what in "can_df", "can_cache", "can_fast_zero", "can_fua", "can_trim", "can_zero":
    assert export[what], what
for what in "df", "cache", "fast-zero":
    output('nbdinfo --can ' + what + ' "$uri"')
output('nbdinfo --list "$uri"')
h.cache(1 << 20, 0)
)");
}

TEST_F(BlockStatus, ReportsSentBytesAsDataThoughReadsFail) {
  process server = start_listening({"--sink", "fifo:output", "--order", "window"});
  process reader = start_reader();
  const std::string define = "uri = '" + unix_uri + "'\n";
  EXPECT_TRUE(ended_with(0, client(define + asking + R"(
h.pwrite(bytes(4096), 0)
assert map(0, 8192) == [4096, 0, 4096, 3], map(0, 8192)
try:
    h.pread(4096, 0)
    assert False
except nbd.Error as e:
    assert e.errnum == errno.EIO
h.shutdown()
)")));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

/// libnbd 1.18 and QEMU 8.2 request extended headers by themselves. Older versions do not know
/// them.
TEST_F(BlockStatus, ExtendedHeadersMapMoreThan4GibInOneReply) {
  process server = start_listening({"--sink", "fifo:output", "--order", "spool", "--size", "8T"});
  process reader = start_reader();
  const std::string define = "uri = '" + unix_uri + "'\n";
  EXPECT_TRUE(ended_with(0, client(define + asking + R"(
extended = hasattr(h, "get_extended_headers_negotiated")
if extended:
    assert h.get_extended_headers_negotiated()
    found = []
    def take(name, at, all, error): found.extend(all)
    h.block_status_64(8 << 40, 0, take)
    assert found == [(8 << 40, 3)], found
    h.zero(6 << 40, 4096)
    zeroed = [(4096, 3), (6 << 40, 2), ((2 << 40) - 4096, 3)]
    found.clear()
    h.block_status_64(8 << 40, 0, take)
    assert found == zeroed, found
    found.clear()
    h.block_status_filter(8 << 40, 0, ["base:allocation"], take)
    assert found == zeroed, found
else:
    assert map(0, 1 << 30) == [1 << 30, 3]
h.pwrite(b"data", 7 << 40)
disk = output('qemu-img map --output=json -f raw "$uri"')
rows = [(r["start"], r["data"]) for r in json.loads(disk)]
assert (7 << 40, True) in rows, rows
)")));
  EXPECT_TRUE(ended_with(1, server.wait())) << "nbdsh closes without NBD_CMD_DISC";
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

}  // namespace
}  // namespace nbdstream::test
