// SPDX-License-Identifier: BSD-3-Clause
//
// doc/examples/qemu-nightly-backup, with qemu-storage-daemon as QEMU: what happens if something
// goes wrong. The recipes of the guide compare a backup with the disk.
#include "support/integration_test.hpp"

#include <algorithm>
#include <optional>

namespace nbdstream::test {
namespace {

const std::string script = source_directory + "/doc/examples/qemu-nightly-backup";
const arguments slowly{"--speed", "1"};  ///< takes many seconds
const std::vector<std::string> nothing;

class NightlyBackup : public integration_test {
 protected:
  void SetUp() override {
    make_disk(16 * MiB);
    std::filesystem::create_directory(path("backups"));
  }
  void TearDown() override {
    if (qemu_) {
      qemu_->signal(SIGTERM);
      qemu_->wait();
    }
    integration_test::TearDown();
  }

  void start_qemu() {
    qemu_.emplace(
        start({"qemu-storage-daemon", "--chardev", "socket,id=qmp,path=qmp.sock,server=on,wait=off",
               "--monitor", "chardev=qmp", "--blockdev",
               "driver=qcow2,node-name=vm1,file.driver=file,file.filename=in.qcow2"}));
    wait_for("qmp.sock");
  }

  [[nodiscard]] process start_backup(const arguments& more = {},
                                     const std::string& node = "vm1") const {
    arguments args{script};
    args.insert(args.end(), more.begin(), more.end());
    args.insert(args.end(), {"qmp.sock", node, "backups"});
    return start(args);
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path("backups"))) {
      const std::string name = entry.path().filename();
      if (!name.ends_with(".lock")) found.push_back(name);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Waits until the stream has begun: then its file is there, under another name.
  [[nodiscard]] bool has_begun() const {
    return eventually([&] {
      const auto found = names();
      return std::any_of(found.begin(), found.end(), [](const std::string& name) {
        return name.find(".nbdstream-") != name.npos;
      });
    });
  }

 private:
  std::optional<process> qemu_;
};

TEST_F(NightlyBackup, IsAbortedAfterItsLimit) {
  start_qemu();
  // The second one shows that the first has left nothing in QEMU.
  for (int i = 0; i < 2; ++i) {
    const result ended = start_backup({"--speed", "1", "--limit", "0.0003"}).wait();
    EXPECT_TRUE(ended_with(128 + SIGTERM, ended));
    EXPECT_TRUE(mentions(ended.err, "has taken longer than 0.0003 hours"));
    EXPECT_EQ(names(), nothing);
  }
}

TEST_F(NightlyBackup, IsRefusedWhileAnotherOfTheSameDiskRuns) {
  start_qemu();
  process first = start_backup(slowly);
  EXPECT_TRUE(has_begun());
  const result second = start_backup(slowly).wait();
  EXPECT_TRUE(ended_with(1, second));
  EXPECT_TRUE(
      mentions(second.err, "the backup of vm1 into backups has failed: another backup is running"));
  first.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, first.wait()));
  EXPECT_EQ(names(), nothing);
}

TEST_F(NightlyBackup, LeavesNothingAfterSigkill) {
  start_qemu();
  process killed = start_backup(slowly);
  EXPECT_TRUE(has_begun());
  killed.signal(SIGKILL);
  killed.wait();
  EXPECT_TRUE(eventually([&] { return names() == nothing; }));
  EXPECT_TRUE(ended_with(0, start_backup().wait()));
}

TEST_F(NightlyBackup, NamesABlockNodeThatIsNotThere) {
  start_qemu();
  const result ended = start_backup({}, "vm2").wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "QEMU has no block node vm2"));
}

TEST_F(NightlyBackup, FailsWithOneLineWithoutQemu) {
  const result ended = start_backup().wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
}

TEST_F(NightlyBackup, KeepsTheNewestBackupsOnly) {
  start_qemu();
  for (const std::string day : {"01", "02", "03"}) {
    write_file(path("backups/vm1.202001" + day + "T000000Z.raw.zst"), "");
    write_file(path("backups/vm1.202001" + day + "T000000Z.json"), "");
  }
  EXPECT_TRUE(ended_with(0, start_backup({"--keep", "2"}).wait()));
  const auto left = names();
  ASSERT_EQ(left.size(), 4U);
  EXPECT_EQ(left[0], "vm1.20200103T000000Z.json");
  EXPECT_EQ(left[1], "vm1.20200103T000000Z.raw.zst");
}

/// A disk that does not give back what was written to it is not at hand; a zstd that does not is.
TEST_F(NightlyBackup, KeepsOlderBackupsIfTheNewOneDoesNotReadBack) {
  start_qemu();
  write_file(path("backups/vm1.20200101T000000Z.raw.zst"), "");
  write_file(path("backups/vm1.20200101T000000Z.json"), "");
  const result ended =
      start(
          {"bash", "-c",
           "mkdir fake; printf '#!/bin/sh\\necho other bytes\\n' > fake/zstd; chmod +x fake/zstd\n"
           "PATH=$PWD/fake:$PATH exec \"$0\" --keep 1 qmp.sock vm1 backups",
           script})
          .wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "does not read back"));
  const auto left = names();
  ASSERT_EQ(left.size(), 4U);
  EXPECT_EQ(left[1], "vm1.20200101T000000Z.raw.zst");
  EXPECT_TRUE(left[3].ends_with(".raw.zst.damaged"));
}

}  // namespace
}  // namespace nbdstream::test
