// SPDX-License-Identifier: BSD-3-Clause
//
// `nbdstream apply` is stopped, killed, or its disk is full: it leaves no file that looks complete.
#include "support/restore_test.hpp"
#include "support/seccomp.hpp"

#include <sys/xattr.h>
#include <unistd.h>

#include <array>

namespace nbdstream::test {
namespace {

class ApplyFaults : public restore_test {
 protected:
  ApplyFaults() { std::filesystem::create_directory(path("out")); }

  /// Starts apply, which has read half of `diff`, and waits for more.
  process start_half_way(const diff_stream& diff, const arguments& more = {}) {
    arguments args{"apply", "out/disk.raw"};
    args.insert(args.end(), more.begin(), more.end());
    process::options how;
    how.in = pipe_.read.fd();
    process it = start_nbdstream(args, how);
    rest_ = diff.whole();
    write(rest_.size() / 2);
    return it;
  }
  void write(std::size_t count) {
    EXPECT_EQ(::write(pipe_.write.get(), rest_.data(), count), static_cast<ssize_t>(count));
    rest_.erase(0, count);
  }
  void end_input() { pipe_.write = file_descriptor(); }
  void write_rest() {
    write(rest_.size());
    end_input();
  }

  [[nodiscard]] std::size_t files() const {
    const std::filesystem::directory_iterator all(path("out"));
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
  /// Whether apply has begun to write a new file.
  [[nodiscard]] bool has_begun() const {
    return eventually([&] { return files() == 1; });
  }
  [[nodiscard]] bool is_there() const { return std::filesystem::exists(path("out/disk.raw")); }

  /// Whether the file is marked as one to which an apply is writing.
  [[nodiscard]] bool is_marked() const {
    std::array<char, 100> text{};
    const auto length = ::getxattr(path("out/disk.raw").c_str(), "user.nbdstream.snapshot",
                                   text.data(), text.size());
    const auto beside = read_file(path("out/disk.raw.nbdstream-snapshot"));
    return (length > 0 && text[0] == '\0') || beside.starts_with('\0');
  }

  pipe_pair pipe_ = make_pipe();
  std::string rest_;
};

TEST_F(ApplyFaults, SignalLeavesNoFile) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    pipe_ = make_pipe();
    process it = start_half_way(full_);
    ASSERT_TRUE(has_begun());
    it.signal(number);
    const result ended = it.wait();
    EXPECT_TRUE(ended_with(128 + number, ended));
    EXPECT_TRUE(mentions(ended.err, "ended by signal " + std::to_string(number)));
    EXPECT_EQ(files(), 0u);
  }
}

TEST_F(ApplyFaults, SigkillLeavesNoFileUnderTheTargetName) {
  process it = start_half_way(full_);
  ASSERT_TRUE(has_begun());
  it.signal(SIGKILL);
  EXPECT_TRUE(ended_with(128 + SIGKILL, it.wait()));
  EXPECT_FALSE(is_there());
}

TEST_F(ApplyFaults, NextApplyReportsAnApplyThatWasKilled) {
  EXPECT_TRUE(ended_with(0, nbdstream({"apply", "out/disk.raw", "full"})));
  process it = start_half_way(monday_, {"--in-place"});
  EXPECT_TRUE(eventually([&] { return is_marked(); }));
  it.signal(SIGKILL);
  EXPECT_TRUE(ended_with(128 + SIGKILL, it.wait()));
  const std::string why = line_of(1, {"apply", "out/disk.raw", "monday"});
  EXPECT_TRUE(mentions(why, "an apply was interrupted here"));
  EXPECT_TRUE(ended_with(0, nbdstream({"apply", "out/disk.raw", "monday", "--from", "sunday"})));
  EXPECT_TRUE(holds(path("out/disk.raw"), monday_.disk()));
}

TEST_F(ApplyFaults, FileThatAppearsMeanwhileIsNotReplaced) {
  process it = start_half_way(full_);
  ASSERT_TRUE(has_begun());
  write_file(path("out/disk.raw"), "precious");
  write_rest();
  const result ended = it.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "has appeared meanwhile"));
  EXPECT_TRUE(holds(path("out/disk.raw"), "precious"));
}

TEST_F(ApplyFaults, FullDiskLeavesNoFile) {
  write_file(path("large"), diff_stream({{}, "a", 4 * MiB}).data(MiB, pattern(2 * MiB)).whole());
  const std::string script =
      "mount -t tmpfs -o size=1m none out || exit 77; nbdstream apply out/disk.raw large; "
      "echo $?; ls -A out";
  const result ended = start({"unshare", "--mount", "sh", "-c", script}).wait();
  if (ended.status == 77 || mentions(ended.err, "unshare"))
    GTEST_SKIP() << "only root can mount here: " << ended.err;
  EXPECT_EQ(ended.out, "1\n");
  EXPECT_TRUE(mentions(ended.err, "out/disk.raw: writing failed: No space left on device"));
}

TEST_F(ApplyFaults, FsyncErrorLeavesNoFile) {
  const result ended = start({"/usr/bin/python3", "-c", run_with_a_call_that_fails, "fsync", "EIO",
                              "nbdstream", "apply", "out/disk.raw", "full"})
                           .wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "did not reach the disk: Input/output error"));
  EXPECT_EQ(files(), 0u);
}

TEST_F(ApplyFaults, TruncatedDiffLeavesNoFile) {
  process it = start_half_way(full_);
  ASSERT_TRUE(has_begun());
  end_input();
  const result ended = it.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "it ended before its end record"));
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace nbdstream::test
