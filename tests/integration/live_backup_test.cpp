// SPDX-License-Identifier: BSD-3-Clause
//
// QEMU's block jobs copy a disk that is in use. The disk is 16 times as large as the window.
#include "support/order_test.hpp"

namespace nbdstream::test {
namespace {

constexpr std::uint64_t disk_size = 256 * MiB;
constexpr std::uint64_t window_size = 16 * MiB;
const arguments disk_and_window{"--sink", "fifo:output", "--size", "256M", "--window", "16M"};

class LiveDisk : public order_test {
 protected:
  /// Makes in.raw, the disk as it is when the job begins, and disk.raw, the disk in use.
  void make_disk_in_use() const {
    make_islands("in.raw", disk_size, 64 * MiB, 48 * MiB);
    EXPECT_TRUE(ended_with(0, start({"cp", "in.raw", "disk.raw"}).wait()));
  }

  [[nodiscard]] process start_job(const arguments& args) const {
    arguments all{"/usr/bin/python3", source_directory + "/tests/support/live_job.py"};
    all.insert(all.end(), args.begin(), args.end());
    return start(all);
  }

  /// Runs nbdstream in its default order and the job, and expects that both succeed and that the
  /// stream equals in.raw. Returns nbdstream's log. Without --run, the stream is complete only if
  /// write and zero requests have covered every byte of the disk.
  [[nodiscard]] std::string log_of_backup(const std::string& writes) const {
    make_disk_in_use();
    process server = start_listening(disk_and_window);
    process reader = start_comparison();
    EXPECT_TRUE(ended_with(0, start_job({"backup", writes}).wait(long_patience)));
    const result ended = server.wait(long_patience);
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    return ended.err;
  }

  /// Whether the disk has changed since the job began.
  [[nodiscard]] bool overwritten() const {
    return start({"cmp", "-s", "in.raw", "disk.raw"}).wait().status == 1;
  }
};

/// While the job runs, QEMU copies the old 64 KiB before each write to the disk, wherever they are.
TEST_F(LiveDisk, BackupEqualsDiskAtJobStart) {
  const closing_line end = closing_line_of(log_of_backup("2000"));
  EXPECT_TRUE(overwritten());
  EXPECT_EQ(end.bytes, disk_size);
  EXPECT_GT(end.ahead, 1000);
  EXPECT_GT(end.furthest, disk_size / 2);
  EXPECT_LE(end.memory, window_size);
  EXPECT_GT(end.spilled, 2 * window_size);
}

/// Copies from anywhere on the disk fill the window, and the job waits for their replies.
TEST_F(LiveDisk, BackupWithoutSpillFailsAndLogSuggestsSpill) {
  make_disk_in_use();
  arguments args = disk_and_window;
  args.insert(args.end(), {"--order", "window", "--stall", "200ms"});
  process server = start_listening(args);
  process reader = start_reader();
  EXPECT_NE(start_job({"backup", "2000"}).wait(long_patience).status, 0);
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "--order spill"));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

/// The mirror copies a block again that was overwritten, and ends when both disks are equal.
TEST_F(LiveDisk, MirrorEqualsDiskAtJobEnd) {
  make_disk_in_use();
  arguments args = disk_and_window;
  args.insert(args.end(), {"--order", "spool"});
  process server = start_listening(args);
  process reader = start_comparison("disk.raw");
  EXPECT_TRUE(ended_with(0, start_job({"mirror", "500"}).wait(long_patience)));
  EXPECT_TRUE(ended_with(0, server.wait(long_patience)));
  EXPECT_TRUE(overwritten());
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

}  // namespace
}  // namespace nbdstream::test
