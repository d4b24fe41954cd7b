// SPDX-License-Identifier: BSD-3-Clause
//
// `nbdstream serve` with files, read by real clients.
#include "support/serve_test.hpp"

#include <unistd.h>

#include <sstream>

namespace nbdstream::test {
namespace {

using Serve = serve_test;

TEST_F(Serve, ReturnsStreamedDisk) {
  make_backup();
  expect_served({"in.raw"});
  expect_served({"in.zst"});
}

TEST_F(Serve, ReportsHolesOfRawAndCompressedDisk) {
  write_file(path("sparse.raw"), "");
  std::filesystem::resize_file(path("sparse.raw"), 512 * MiB);
  for (const std::uint64_t at : {0, 100, 500}) {
    std::fstream file(path("sparse.raw"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at * MiB));
    file << pattern(MiB, 7);
  }
  compress("-f raw sparse.raw", "sparse.zst");
  for (const char* source : {"sparse.raw", "sparse.zst"}) {
    SCOPED_TRACE(source);
    EXPECT_TRUE(ended_with(0, serve({source}, R"(nbdinfo --map --totals "$uri" > totals)")));
    const auto totals = read_file(path("totals"));
    EXPECT_TRUE(mentions(totals, "3 hole,zero"));
    std::istringstream data(totals.substr(0, totals.find('\n')));
    std::uint64_t bytes = 0;
    data >> bytes;
    EXPECT_GE(bytes, 3 * MiB) << totals;
    EXPECT_LE(bytes, 24 * MiB) << totals;
    expect_served({source}, "sparse.raw");
  }
}

TEST_F(Serve, AnswersRandomReadsOfSeveralThreads) {
  make_backup(64 * MiB);
  const std::string script = R"(
import random, threading
disk = open('in.raw', 'rb').read()
wrong = []
def look(seed, handle):
    r = random.Random(seed)
    for _ in range(150):
        at = r.randrange(len(disk))
        count = min(r.choice([1, 512, 4096, 100000, 5000000]), len(disk) - at)
        if handle.pread(count, at) != disk[at:at + count]:
            wrong.append((at, count))
threads = [threading.Thread(target=look, args=(i, another_connection())) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
assert not wrong, wrong
)";
  EXPECT_TRUE(ended_with(0, read_from({"in.zst"}, script)));
  EXPECT_TRUE(ended_with(0, read_from({"in.raw"}, script)));
}

TEST_F(Serve, CombinesChainOfDiffs) {
  write_file(path("disk"), tuesday_.disk());
  expect_served({"full", "monday", "tuesday"}, "disk");
  for (const char* diff : {"full", "monday", "tuesday"}) {
    EXPECT_TRUE(ended_with(
        0, nbdstream({"--compress", "zstd", "--sink", std::string("file:") + diff + ".zst", "--run",
                      std::string("qemu-img convert -n -f raw ") + diff + R"( -O raw "$uri")"})));
  }
  // qemu-img sends whole sectors, so these files end in zeroes, which no diff does.
  EXPECT_TRUE(mentions(refusal({"full.zst", "monday.zst"}), "full.zst"));
  EXPECT_TRUE(mentions(refusal({"full", "tuesday"}), R"(the diff begins from "monday")"));
  EXPECT_TRUE(mentions(refusal({"monday"}), "a full one must come first"));
}

TEST_F(Serve, CombinesCompressedDiffs) {
  write_file(path("disk"), std::string(size, '\0'));
  const std::string first = "nbdsh -u \"$uri\" -c 'h.pwrite(b\"a\" * 50000, 1000)'";
  const std::string second = "nbdsh -u \"$uri\" -c 'h.pwrite(b\"b\" * 50000, 30000)'";
  const arguments common{"--format", "rbd-diff", "--size", "100000", "--compress", "zstd"};
  const auto make = [&](const arguments& more, const std::string& command) {
    arguments args = common;
    args.insert(args.end(), more.begin(), more.end());
    args.insert(args.end(), {"--run", command});
    EXPECT_TRUE(ended_with(0, nbdstream(args)));
  };
  make({"--sink", "file:one", "--diff-to", "a"}, first);
  make({"--sink", "file:two", "--diff-from", "a", "--diff-to", "b"}, second);
  write_file(path("disk"), std::string(1000, '\0') + std::string(29'000, 'a') +
                               std::string(50'000, 'b') + std::string(20'000, '\0'));
  expect_served({"one", "two"}, "disk");
}

TEST_F(Serve, RefusesWrites) {
  make_backup(8 * MiB);
  EXPECT_TRUE(ended_with(0, read_from({"in.zst"}, R"(
import errno
assert h.is_read_only()
h.set_strict_mode(0)
fails_with(errno.EPERM, h.pwrite, b'x' * 4096, 0)
fails_with(errno.EINVAL, h.pread, 4096, h.get_size() - 1)
assert h.pread(10, 0) == open('in.raw', 'rb').read(10)
)")));
  EXPECT_TRUE(holds(path("copy"), "") || !std::filesystem::exists(path("copy")));
}

TEST_F(Serve, CorruptFrameFailsOnlyReadsOfIt) {
  make_backup(64 * MiB);
  damage("in.zst", std::filesystem::file_size(path("in.zst")) / 2);
  const result ended = read_from({"in.zst"}, R"(
import errno
disk = open('in.raw', 'rb').read()
bad = []
for at in range(0, len(disk), 4 << 20):
    try:
        assert h.pread(4 << 20, at) == disk[at:at + (4 << 20)], at
    except nbd.Error as e:
        assert e.errnum == errno.EIO, e
        bad.append(at)
assert len(bad) == 1, bad
open('bad', 'w').write(str(bad[0]))
)");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "in.zst: frame "));
  EXPECT_TRUE(mentions(ended.err, "is corrupt"));
  EXPECT_TRUE(mentions(ended.err, "which are bytes " + read_file(path("bad")) + " to "));
}

TEST_F(Serve, RefusesFileWithoutSeekTable) {
  make_backup(8 * MiB);
  EXPECT_TRUE(ended_with(0, start({"zstd", "-q", "in.raw", "-o", "plain.zst"}).wait()));
  EXPECT_TRUE(mentions(refusal({"plain.zst"}), "plain.zst: it has no seek table at its end"));
  std::filesystem::copy(path("in.zst"), path("cut.zst"));
  std::filesystem::resize_file(path("cut.zst"), std::filesystem::file_size(path("in.zst")) - 5);
  EXPECT_TRUE(mentions(refusal({"cut.zst"}), "it is not whole"));
  damage("in.zst", std::filesystem::file_size(path("in.zst")) - 9);
  EXPECT_TRUE(mentions(refusal({"in.zst"}), "seek table"));
}

TEST_F(Serve, RefusesUnusableSources) {
  make_backup(8 * MiB);
  EXPECT_TRUE(mentions(refusal({}), "serve needs something to serve"));
  EXPECT_TRUE(mentions(refusal({"missing"}), "missing: cannot be opened: No such file"));
  EXPECT_TRUE(mentions(refusal({"."}), "give a regular file, or a block device"));
  EXPECT_TRUE(mentions(refusal({"in.raw", "in.zst"}), "is not an rbd diff"));
  EXPECT_TRUE(mentions(refusal({"--as", "raw", "in.raw", "in.zst"}), "--as raw is for one SOURCE"));
  EXPECT_TRUE(mentions(refusal({"--as", "qcow2", "in.raw"}), "give raw, zstd or diff"));
  EXPECT_TRUE(mentions(refusal({"in.raw", "--order", "spill"}),
                       "unknown option; see nbdstream serve --help"));
  EXPECT_TRUE(mentions(refusal({"nothing://x/y"}), "there is no module \"nothing\""));
}

TEST_F(Serve, RefusesTruncatedDiff) {
  write_file(path("cut"), full_.unfinished());
  EXPECT_TRUE(mentions(refusal({"cut"}), "cut: "));
}

TEST_F(Serve, ReadsFailAfterFileWasTruncated) {
  make_backup(8 * MiB);
  const result ended = read_from({"in.raw"}, R"(
import errno, os
os.truncate('in.raw', 1 << 20)
fails_with(errno.EIO, h.pread, 4096, 4 << 20)
fails_with(errno.EIO, h.pread, 4096, 0)
)");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "in.raw: has 1048576 bytes now, and had 8388608"));
}

TEST_F(Serve, SigtermEndsCommand) {
  make_backup(8 * MiB);
  process server = start_nbdstream({"serve", "in.raw", "--run", "touch began; sleep 1000"});
  wait_for("began");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(Serve, AsRawServesFileUnchanged) {
  make_backup(8 * MiB);
  expect_served({"--as", "raw", "in.zst"}, "in.zst");
}

TEST_F(Serve, AsZstdServesDiskThatBeginsLikeDiff) {
  write_file(path("guest.raw"), "rbd diff v1\n" + pattern(1 * MiB - 12, 5));
  compress("-f raw guest.raw", "guest.zst");
  expect_served({"--as", "zstd", "guest.zst"}, "guest.raw");
  expect_served({"--as", "raw", "guest.raw"}, "guest.raw");
  EXPECT_TRUE(
      mentions(refusal({"guest.zst"}), "If it is a disk that begins like a diff, give --as zstd"));
  EXPECT_TRUE(mentions(refusal({"guest.raw"}), "give --as raw"));
}

TEST_F(Serve, LogsThatFileIsTakenForDiff) {
  write_file(path("disk"), full_.disk());
  expect_served({"--as", "diff", "full"}, "disk");
  EXPECT_TRUE(mentions(serve({"full"}, "true").err, "full: is taken for an rbd diff"));
  EXPECT_FALSE(mentions(serve({"--as", "diff", "full"}, "true").err, "is taken for"));
  EXPECT_TRUE(mentions(refusal({"--as", "diff", "disk"}), "disk"));
}

TEST_F(Serve, CorruptFirstFrameLeavesRestReadable) {
  make_backup();
  damage("in.zst", 1000);
  const result ended = read_from({"in.zst"}, R"(
import errno
disk = open('in.raw', 'rb').read()
fails_with(errno.EIO, h.pread, 512, 0)
assert h.pread(8 << 20, 4 << 20) == disk[4 << 20:12 << 20]
)");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "it is served as a disk"));
}

TEST_F(Serve, SurvivesSigusr1) {
  make_backup(8 * MiB);
  process server = start_nbdstream({"serve", "in.raw", "-U", "sock", "-P", "pid"});
  wait_for("pid");
  server.signal(SIGUSR1);
  EXPECT_TRUE(ended_with(0, client("h.pread(512, 0)")));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(0, server.wait()));
}

TEST_F(Serve, OffersMultiConnExceptWithSingle) {
  make_backup(8 * MiB);
  EXPECT_TRUE(ended_with(0, serve({"in.raw"}, R"(nbdinfo --can multi-conn "$uri")")));
  EXPECT_TRUE(ended_with(0, start({"nbdsh", "-c", R"(
h.connect_command(['nbdstream', 'serve', 'in.raw', '--single'])
assert not h.can_multi_conn()
assert h.pread(512, 0) == open('in.raw', 'rb').read(512)
)"})
                                .wait()));
}

TEST_F(Serve, ReturnsExitStatusOfCommand) {
  make_backup(8 * MiB);
  EXPECT_TRUE(ended_with(0, serve({"in.raw"}, "true")));
  EXPECT_TRUE(ended_with(3, serve({"in.raw"}, "exit 3")));
  EXPECT_TRUE(ended_with(128 + SIGKILL, serve({"in.raw"}, "kill -9 $$")));
}

TEST_F(Serve, ServesClientsUntilSigterm) {
  make_backup();
  process server = start_nbdstream({"serve", "in.zst", "-U", "sock", "-P", "pid"});
  wait_for("pid");
  process killed = start_client("h.pread(1 << 20, 0); touch('read'); stay()");
  wait_for("read");
  process other = start_client("assert h.pread(1 << 20, 5) == file('in.raw')[5:5 + (1 << 20)]");
  EXPECT_TRUE(ended_with(0, other.wait()));
  killed.signal(SIGKILL);
  killed.wait();
  EXPECT_TRUE(ended_with(0, client("assert h.pread(9, 7) == file('in.raw')[7:16]")));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(0, server.wait()));
}

TEST_F(Serve, ReportsNameAndDescription) {
  make_backup(8 * MiB);
  EXPECT_TRUE(
      ended_with(0, serve({"in.zst", "--export-name", "vm1", "--description", "of May"},
                          "nbdinfo \"$uri\" > info && grep vm1 info && grep 'of May' info")));
}

/// QEMU's storage daemon presents the export as a file, and debugfs(8) extracts a file from it.
TEST_F(Serve, FileCanBeExtractedFromDisk) {
  if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0)
    GTEST_SKIP() << "only root can mount here, and needs /dev/fuse";
  write_file(path("fs.raw"), "");
  std::filesystem::resize_file(path("fs.raw"), 256 * MiB);
  write_file(path("lost"), pattern(3 * MiB, 9));
  EXPECT_TRUE(ended_with(0, start_shell("mkfs.ext4 -q -F fs.raw && "
                                        "debugfs -w -R 'write lost found' fs.raw 2>/dev/null")
                                .wait()));
  compress("-f raw fs.raw", "fs.zst");
  write_file(path("disk"), "");
  EXPECT_TRUE(ended_with(
      0,
      serve(
          {"fs.zst"},
          R"(qemu-storage-daemon --blockdev driver=nbd,node-name=disk,read-only=on,)"
          R"(server.type=unix,server.path="$unixsocket" --export type=fuse,id=fuse,)"
          R"(node-name=disk,mountpoint=disk --pidfile daemon --daemonize && )"
          R"(debugfs -R 'dump found saved' disk 2>/dev/null; fusermount3 -u disk; kill $(cat daemon))")));
  EXPECT_EQ(read_file("/proc/mounts").find(path("disk").string()), std::string::npos);
  EXPECT_TRUE(same_content(path("saved"), path("lost")));
}

TEST_F(Serve, WorksAsBackingFileOfOverlay) {
  make_backup();
  EXPECT_TRUE(ended_with(
      0, serve({"in.zst"}, R"(qemu-img create -q -f qcow2 -b "$uri" -F raw overlay.qcow2 && )"
                           R"(qemu-io -c 'write -P 7 5M 64k' overlay.qcow2 && )"
                           R"(qemu-img convert -O raw overlay.qcow2 out.raw)")));
  auto disk = read_file(path("in.raw"));
  disk.replace(5 * MiB, 65536, std::string(65536, 7));
  EXPECT_TRUE(holds(path("out.raw"), disk));
}

}  // namespace
}  // namespace nbdstream::test
