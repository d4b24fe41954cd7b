// SPDX-License-Identifier: BSD-3-Clause
//
// --format rbd-diff with real clients: `nbdstream apply` must make the disk from the diff.
#include "support/order_test.hpp"

#include <unistd.h>

namespace nbdstream::test {
namespace {

class DiffFormat : public order_test {
 protected:
  static arguments diff_of(const std::string& size, const arguments& more = {}) {
    arguments args{"--format", "rbd-diff", "--size", size, "--sink", "file:out.diff"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  /// Applies out.diff to a new file, which must equal the file `expected`.
  void expect_disk(const std::string& expected) const {
    std::filesystem::remove(path("out.raw"));
    EXPECT_TRUE(ended_with(0, nbdstream({"apply", "out.raw", "out.diff"})));
    EXPECT_TRUE(same_content(path("out.raw"), path(expected)));
  }
  /// Runs `command` as the client, and expects the disk `expected`.
  void expect_disk_of(const std::string& command, const std::string& size,
                      const std::string& expected = "in.raw") const {
    EXPECT_TRUE(
        ended_with(0, start_nbdstream(diff_of(size, {"--run", command})).wait(long_patience)));
    expect_disk(expected);
  }

  /// What `nbdstream info` prints for a broken diff.
  [[nodiscard]] std::string info_of_broken(const std::string& diff) const {
    const result ended = nbdstream({"info", diff});
    EXPECT_TRUE(ended_with(1, ended));
    return ended.out + ended.err;
  }

  [[nodiscard]] process start_job(const arguments& args) const {
    arguments all{"/usr/bin/python3", source_directory + "/tests/support/live_job.py"};
    all.insert(all.end(), args.begin(), args.end());
    return start(all);
  }
  void make_disk_in_use() const {
    make_islands("in.raw", 128 * MiB, 32 * MiB, 24 * MiB);
    EXPECT_TRUE(ended_with(0, start({"cp", "in.raw", "disk.raw"}).wait()));
  }
};

TEST_F(DiffFormat, QemuImgMayWriteInAnyOrder) {
  make_disk(32 * MiB);
  expect_disk_of(R"(qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri")", "32M");
}

TEST_F(DiffFormat, QemuImgMayZeroTheBeginningFirst) {
  make_disk(32 * MiB);
  expect_disk_of(R"(qemu-img convert -W in.qcow2 -O raw "$uri")", "32M");
}

TEST_F(DiffFormat, NbdcopyMayUseSeveralConnections) {
  make_disk(32 * MiB);
  expect_disk_of(R"(nbdcopy -C 4 --requests=64 in.raw "$uri")", "32M");
}

TEST_F(DiffFormat, RewritesInSmallPiecesYieldTheFinalDisk) {
  EXPECT_TRUE(ended_with(0, start_nbdstream(diff_of("1M", {"--run", client_command(R"(
import random
r = random.Random(7)
disk = bytearray(1 << 20)
for i in range(3000):
    at = r.randrange(len(disk))
    n = min(r.randrange(1, 9000), len(disk) - at)
    if i % 5 == 0:
        h.zero(n, at)
        disk[at:at + n] = bytes(n)
    else:
        data = r.randbytes(n)
        h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data)), at)
        disk[at:at + n] = data
    while h.aio_in_flight() > 0 and i % 7 == 0:
        h.poll(-1)
while h.aio_in_flight() > 0:
    h.poll(-1)
h.shutdown()
open('in.raw', 'wb').write(disk)
)")}))
                                .wait(long_patience)));
  expect_disk("in.raw");
}

TEST_F(DiffFormat, LiveBackupYieldsTheDiskBeforeGuestWrites) {
  make_disk_in_use();
  process server = start_listening(diff_of("128M"));
  EXPECT_TRUE(ended_with(0, start_job({"backup", "1000"}).wait(long_patience)));
  EXPECT_TRUE(ended_with(0, server.wait(long_patience)));
  EXPECT_EQ(start({"cmp", "-s", "in.raw", "disk.raw"}).wait().status, 1) << "nothing was written";
  expect_disk("in.raw");
}

/// A mirror job copies again each block that the guest writes during the job.
TEST_F(DiffFormat, MirrorYieldsTheDiskAfterGuestWrites) {
  make_disk_in_use();
  process server = start_listening(diff_of("128M", {"--gaps", "allow"}));
  EXPECT_TRUE(ended_with(0, start_job({"mirror", "300"}).wait(long_patience)));
  EXPECT_TRUE(ended_with(0, server.wait(long_patience)));
  expect_disk("disk.raw");
}

/// The kernel caches what mkfs writes, and writes it back through nbdfuse.
TEST_F(DiffFormat, MkfsThroughNbdfuseMakesAFileSystem) {
  if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0)
    GTEST_SKIP() << "only root can mount here, and needs /dev/fuse";
  std::filesystem::create_directory(path("mnt"));
  const auto* const script = R"(
nbdfuse mnt/disk "$uri" & fuse=$!
until [ -e mnt/disk ]; do sleep 0.01; done
mkfs.ext4 -q mnt/disk; status=$?
fusermount3 -u mnt && wait $fuse && exit $status)";
  EXPECT_TRUE(
      ended_with(0, start_nbdstream(diff_of("32M", {"--run", script})).wait(long_patience)));
  EXPECT_TRUE(ended_with(0, nbdstream({"apply", "out.raw", "out.diff"})));
  EXPECT_TRUE(ended_with(0, start({"e2fsck", "-fn", "out.raw"}).wait()));
}

TEST_F(DiffFormat, KilledClientLeavesADiffWithoutEndRecord) {
  ASSERT_TRUE(ended_with(0, start({"mkfifo", "output"}).wait()));
  process server =
      start_listening({"--format", "rbd-diff", "--size", "1M", "--sink", "fifo:output"});
  process reader = start_reader("output", "out.diff");
  process writer = start_client("write_and_stay(b'x' * 4096)");
  wait_for("sent");
  writer.signal(SIGKILL);
  EXPECT_TRUE(ended_with(1, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(mentions(info_of_broken("out.diff"), "end"));
  EXPECT_TRUE(ended_with(1, nbdstream({"apply", "out.raw", "out.diff"})));
  EXPECT_FALSE(std::filesystem::exists(path("out.raw")));
}

/// The client has written all, and the reader has not read it yet.
TEST_F(DiffFormat, SecondSignalLeavesADiffWithoutEndRecord) {
  ASSERT_TRUE(ended_with(0, start({"mkfifo", "output"}).wait()));
  process server =
      start_listening({"--format", "rbd-diff", "--size", "1M", "--sink", "fifo:output"});
  peer reader = open_fifo(path("output"));
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'x' * 32768, 0)\nh.zero(1015808, 32768)\n"
                                   "h.shutdown()")));
  server.signal(SIGTERM);
  EXPECT_FALSE(eventually([&] { return !server.running(); }, std::chrono::milliseconds(200)));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  write_file(path("out.diff"), reader.received());
  EXPECT_TRUE(reader.received().starts_with("rbd diff v1\n"));
  EXPECT_TRUE(mentions(info_of_broken("out.diff"), "end"));
}

TEST_F(DiffFormat, StreamWithoutWritesIsAnEmptyDiff) {
  EXPECT_TRUE(ended_with(0, nbdstream(diff_of("1M", {"--diff-from", "a", "--diff-to", "b", "--run",
                                                     client_command("h.shutdown()")}))));
  EXPECT_EQ(read_file(path("out.diff")).back(), 'e');
  EXPECT_TRUE(ended_with(0, nbdstream({"info", "out.diff"})));
}

TEST_F(DiffFormat, IncrementalStreamAnswersReadsOfZeroesOnly) {
  EXPECT_TRUE(ended_with(
      0, nbdstream(
             diff_of("1M", {"--diff-from", "a", "--run",
                            client_command("fails_with(errno.EIO, h.pread, 512, 0)\nh.zero(4096, "
                                           "0)\nassert h.pread(512, 0) == bytes(512)\n"
                                           "h.pwrite(b'x' * 512, 0)\nfails_with(errno.EIO, "
                                           "h.pread, 512, 0)\nh.shutdown()")}))));
}

TEST_F(DiffFormat, RefusesOptionsThatDoNotFitTheFormat) {
  const std::vector<std::pair<arguments, std::string>> wrong{
      {{"--format", "rbd-diff"}, "give it with --size"},
      {{"--size", "1M", "--diff-to", "x"}, "--diff-to is for --format rbd-diff"},
      {{"--format", "rbd-diff", "--size", "1M", "--order", "spill"}, "--order has no meaning"},
      {{"--format", "rbd-diff", "--size", "1M", "--no-pad"}, "--no-pad has no meaning"},
      {{"--format", "rbd-diff", "--size", "1M", "--diff-from", "a", "--gaps", "allow"},
       "--expect-bytes checks"},
      {{"--format", "rbd-diff", "--size", "1M", "--diff-from", "a", "--diff-to", "a"},
       "give two names"},
      {{"--format", "rbd-diff", "--size", "1M", "--expect-bytes", "5"}, "give --diff-from"},
      {{"--format", "rbd-diff", "--size", "1M", "--diff-from", "a", "--streams", "2"},
       "leave out --streams"},
  };
  for (const auto& [args, says] : wrong) {
    arguments all{"--sink", "null"};
    all.insert(all.end(), args.begin(), args.end());
    const result ended = nbdstream(all);
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_TRUE(mentions(ended.err, says));
  }
}

/// Runs doc/examples/qemu-incremental-backup. qemu-storage-daemon and its NBD export play the
/// guest.
class IncrementalBackup : public DiffFormat {
 protected:
  void SetUp() override {
    make_disk(16 * MiB);
    std::filesystem::create_directory(path("backups"));
    daemon_.emplace(
        start({"qemu-storage-daemon", "--chardev", "socket,id=qmp,path=qmp.sock,server=on,wait=off",
               "--monitor", "chardev=qmp", "--blockdev",
               "driver=qcow2,node-name=vm1,file.driver=file,file.filename=in.qcow2", "--nbd-server",
               "addr.type=unix,addr.path=guest.sock", "--export",
               "type=nbd,id=guest,node-name=vm1,name=vm1,writable=on"}));
    wait_for("qmp.sock");
    wait_for("guest.sock");
  }
  void TearDown() override {
    daemon_->signal(SIGTERM);
    daemon_->wait();
    DiffFormat::TearDown();
  }
  void guest_writes(const std::string& byte, const std::string& offset, const std::string& length) {
    EXPECT_TRUE(ended_with(
        0, start({"qemu-io", "-f", "raw", "-c", "write -P " + byte + " " + offset + " " + length,
                  "nbd+unix:///vm1?socket=guest.sock"})
               .wait()));
  }
  void keep(const std::string& name) {
    EXPECT_TRUE(ended_with(0, start({"qemu-img", "convert", "-f", "raw", "-O", "raw",
                                     "nbd+unix:///vm1?socket=guest.sock", name})
                                  .wait()));
  }
  result back_up(const std::string& directory = "backups") {
    return start({script_, "qmp.sock", "vm1", directory}).wait(long_patience);
  }
  [[nodiscard]] std::uint64_t size_of(const std::string& name) const {
    return std::filesystem::file_size(path(name));
  }

  const std::string script_ = source_directory + "/doc/examples/qemu-incremental-backup";
  std::optional<process> daemon_;
};

TEST_F(IncrementalBackup, RestoresTheDiskOfEachDay) {
  keep("day1");
  EXPECT_TRUE(ended_with(0, back_up()));
  guest_writes("7", "1M", "64k");
  keep("day2");
  EXPECT_TRUE(ended_with(0, back_up()));
  guest_writes("8", "1M", "1M");
  guest_writes("0", "1100k", "8k");
  keep("day3");
  EXPECT_TRUE(ended_with(0, back_up()));
  EXPECT_LT(size_of("backups/vm1.2.diff"), 70'000U);
  EXPECT_LT(size_of("backups/vm1.3.diff"), 1'200'000U);
  arguments chain{"apply", "--verify"};
  for (const std::string day : {"1", "2", "3"}) {
    chain.push_back("backups/vm1." + day + ".diff");
    auto args = chain;
    args.insert(args.begin() + 2, "restored" + day);
    EXPECT_TRUE(ended_with(0, nbdstream(args)));
    EXPECT_TRUE(same_content(path("restored" + day), path("day" + day)));
  }
}

TEST_F(IncrementalBackup, BackupAfterAFailedOneHasAllChanges) {
  EXPECT_TRUE(ended_with(0, back_up()));
  guest_writes("7", "1M", "64k");
  EXPECT_NE(start({"bash", "-c", "ulimit -f 16; exec \"$0\" qmp.sock vm1 backups", script_})
                .wait()
                .status,
            0);
  EXPECT_FALSE(std::filesystem::exists(path("backups/vm1.2.diff")));
  guest_writes("8", "2M", "64k");
  keep("day2");
  EXPECT_TRUE(ended_with(0, back_up()));
  EXPECT_TRUE(
      ended_with(0, nbdstream({"apply", "restored", "backups/vm1.1.diff", "backups/vm1.2.diff"})));
  EXPECT_TRUE(same_content(path("restored"), path("day2")));
}

TEST_F(IncrementalBackup, EachDirectoryHasItsOwnChain) {
  std::filesystem::create_directory(path("elsewhere"));
  EXPECT_TRUE(ended_with(0, back_up()));
  guest_writes("7", "1M", "64k");
  EXPECT_TRUE(ended_with(0, back_up("elsewhere")));
  guest_writes("8", "2M", "64k");
  EXPECT_TRUE(ended_with(0, back_up()));
  EXPECT_TRUE(ended_with(0, back_up("elsewhere")));
  keep("now");
  for (const std::string directory : {"backups", "elsewhere"}) {
    const auto file = directory + "/vm1.";
    EXPECT_TRUE(
        ended_with(0, nbdstream({"apply", directory + ".raw", file + "1.diff", file + "2.diff"})));
    EXPECT_TRUE(same_content(path(directory + ".raw"), path("now")));
  }
}

}  // namespace
}  // namespace nbdstream::test
