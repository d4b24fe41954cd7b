// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `file` on an rclone mount without a cache. This file system uploads a file while it is
// written: it allows no seeks, and completes the file when the file is closed.
#include "support/integration_test.hpp"

#include <unistd.h>

#include <optional>
#include <set>

namespace nbdstream::test {
namespace {

class RcloneMount : public integration_test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0)
      GTEST_SKIP() << "only root can mount here, and needs /dev/fuse";
    std::filesystem::create_directory(path("store"));
    std::filesystem::create_directory(path("mount"));
    mount_.emplace(start({"rclone", "--config", "", "mount", ":local:store", "mount"}));
    ASSERT_TRUE(eventually([&] {
      return start({"mountpoint", "-q", "mount"}).wait().status == 0 || !mount_->running();
    }));
    ASSERT_TRUE(mount_->running()) << mount_->err();
  }

  void TearDown() override {
    unmount();
    integration_test::TearDown();
  }

  /// After the unmount the store does not change any more.
  void unmount() {
    if (!mount_) return;
    EXPECT_TRUE(ended_with(0, start({"fusermount3", "-u", "mount"}).wait()));
    EXPECT_TRUE(ended_with(0, mount_->wait()));
    mount_.reset();
  }

  /// The names of the files that the mount has uploaded.
  [[nodiscard]] std::set<std::string> stored() const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path("store")))
      found.insert(entry.path().filename());
    return found;
  }

 private:
  std::optional<process> mount_;
};

TEST_F(RcloneMount, ReceivesTheZeroesOfASparseDiskAsBytes) {
  make_disk();
  for (const char* overwrite : {"overwrite=false", "overwrite=true"}) {
    const result ended =
        nbdstream({"--sink", "file:mount/disk.raw", "-o", overwrite, "--run", convert});
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(same_content(path("store/disk.raw"), path("in.raw")));
    EXPECT_EQ(stored(), std::set<std::string>{"disk.raw"});
  }
}

TEST_F(RcloneMount, ReceivesNoFileOfAnAbortedStream) {
  const result ended =
      nbdstream({"--sink", "file:mount/disk.raw", "--run", convert_broken_source("\"$uri\"")});
  EXPECT_TRUE(ended_with(1, ended));
  unmount();
  EXPECT_EQ(stored(), std::set<std::string>{});
}

/// The client has written only beyond a gap at the beginning of the stream.
TEST_F(RcloneMount, ReceivesNoFileIfTheAbortPrecedesTheFirstByte) {
  process server = start_listening({"--sink", "file:mount/disk.raw"});
  process writer = start_client("h.pwrite(b'ahead', 1 << 20); touch('sent'); stay()");
  wait_for("sent");
  writer.signal(SIGKILL);
  EXPECT_TRUE(ended_with(1, server.wait()));
  unmount();
  EXPECT_EQ(stored(), std::set<std::string>{});
}

}  // namespace
}  // namespace nbdstream::test
