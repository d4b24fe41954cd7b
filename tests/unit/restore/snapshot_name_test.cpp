// SPDX-License-Identifier: BSD-3-Clause
//
// Where the name of a snapshot is kept. A file system without extended attributes is not to be had
// everywhere; /proc/self/fd of a pipe is one: what cannot have them is what counts.
#include "restore/snapshot_name.hpp"

#include "io/unique_fd.hpp"
#include "support/files.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <array>

namespace nbdstream::restore {
namespace {

using kind = snapshot_state::kind;

class SnapshotName : public ::testing::Test {
 protected:
  SnapshotName() {
    test::write_file(path_, "disk");
    file_ = io::unique_fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
    // A pipe takes no attribute "user.", whatever file system there is.
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) == 0) {
      pipe_ = io::unique_fd(ends[0]);
      other_end_ = io::unique_fd(ends[1]);
    }
  }

  [[nodiscard]] bool has_attributes() const {
    return ::fsetxattr(file_.get(), "user.test", "1", 1, 0) == 0;
  }
  [[nodiscard]] std::string beside() const { return path_.string() + ".nbdstream-snapshot"; }

  test::temp_directory directory_;
  std::filesystem::path path_ = directory_ / "disk.raw";
  io::unique_fd file_, pipe_, other_end_;
};

TEST_F(SnapshotName, IsUnknownAtFirst) {
  EXPECT_EQ(snapshot_name(file_.get(), path_).read(), (snapshot_state{kind::unknown}));
}

TEST_F(SnapshotName, IsAnAttributeWhereTheFileSystemHasThem) {
  if (!has_attributes()) GTEST_SKIP() << "no extended attributes here";
  const snapshot_name kept(file_.get(), path_);
  kept.write("monday");
  EXPECT_EQ(kept.read(), (snapshot_state{kind::known, "monday"}));
  EXPECT_FALSE(std::filesystem::exists(beside()));
  std::array<char, 100> text{};
  const auto length =
      ::getxattr(path_.c_str(), "user.nbdstream.snapshot", text.data(), text.size());
  EXPECT_EQ(std::string(text.data(), length < 0 ? 0 : static_cast<std::size_t>(length)), "monday");
}

TEST_F(SnapshotName, StandsBesideTheFileWhereItCannotBeAnAttribute) {
  const snapshot_name kept(pipe_.get(), path_);
  kept.write("monday");
  EXPECT_EQ(kept.read(), (snapshot_state{kind::known, "monday"}));
  EXPECT_EQ(test::read_file(beside()), "monday");
  kept.write(std::nullopt);
  EXPECT_EQ(kept.read(), (snapshot_state{kind::unknown}));
  EXPECT_FALSE(std::filesystem::exists(beside()));
}

TEST_F(SnapshotName, GivesWayToTheMarkerOfAnApplyThatGoesOn) {
  for (const int fd : {file_.get(), pipe_.get()}) {
    const snapshot_name kept(fd, path_);
    kept.write("monday");
    kept.mark_interrupted("monday");
    EXPECT_EQ(kept.read(), (snapshot_state{kind::interrupted, "monday"}));
    kept.mark_interrupted(std::nullopt);
    EXPECT_EQ(kept.read(), (snapshot_state{kind::interrupted}));
    kept.write("tuesday");
    EXPECT_EQ(kept.read(), (snapshot_state{kind::known, "tuesday"}));
    kept.write(std::nullopt);
  }
}

/// ext4 has room for one block of attributes.
TEST_F(SnapshotName, OfTheGreatestLengthIsKeptInOneWayOrTheOther) {
  const snapshot_name kept(file_.get(), path_);
  const std::string longest(diff::longest_name, 'n');
  kept.mark_interrupted(longest);
  EXPECT_EQ(kept.read(), (snapshot_state{kind::interrupted, longest}));
  kept.write(longest);
  EXPECT_EQ(kept.read(), (snapshot_state{kind::known, longest}));
  kept.write("short");
  EXPECT_EQ(kept.read(), (snapshot_state{kind::known, "short"}));
}

TEST_F(SnapshotName, LeavesNoOtherFile) {
  const snapshot_name kept(pipe_.get(), path_);
  kept.mark_interrupted("monday");
  kept.write("tuesday");
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(directory_.path()))
    ++files;
  EXPECT_EQ(files, 2u);
}

}  // namespace
}  // namespace nbdstream::restore
