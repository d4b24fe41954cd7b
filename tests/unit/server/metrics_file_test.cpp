// SPDX-License-Identifier: BSD-3-Clause
#include "server/metrics_file.hpp"

#include "../io/loop.hpp"
#include "support/fake_log.hpp"
#include "support/temp_directory.hpp"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <semaphore>

namespace nbdstream::test {
namespace {

std::string content(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

class MetricsFile : public ::testing::Test {
 protected:
  void write(const std::string& text) {
    loop_.spawn(file_.write(text));
    loop_.finish();
  }

  temp_directory directory_;
  std::filesystem::path path_ = directory_ / "nbdstream.prom";
  loop loop_;
  fake_log log_;
  metrics_file file_{loop_.executor(), path_, log_};
};

TEST_F(MetricsFile, HasTheLastTextAndLeavesNoTemporaryFile) {
  write("# HELP nbdstream one\n");
  EXPECT_EQ(content(path_), "# HELP nbdstream one\n");
  write("# HELP nbdstream another\n");
  loop_.spawn(file_.write_last("# HELP nbdstream the last\n"));
  loop_.finish();
  EXPECT_EQ(content(path_), "# HELP nbdstream the last\n");
  const std::filesystem::directory_iterator files(directory_.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  EXPECT_TRUE(log_.lines.empty()) << log_.all();
}

/// A reader that has the file open still reads its old content.
TEST_F(MetricsFile, IsReplacedAtomically) {
  write("# HELP nbdstream one\n");
  std::ifstream open(path_);
  write("# HELP nbdstream another\n");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(open), {}), "# HELP nbdstream one\n");
}

TEST_F(MetricsFile, IsReadableByOtherUsers) {
  const auto before = ::umask(022);
  write("# HELP nbdstream one\n");
  ::umask(before);
  struct stat found {};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0644U);
}

TEST_F(MetricsFile, LeftoverTemporaryFileIsNoObstacle) {
  std::ofstream(directory_ / (".nbdstream.prom.nbdstream-" + std::to_string(::getpid()))) << "old";
  write("# HELP nbdstream one\n");
  EXPECT_EQ(content(path_), "# HELP nbdstream one\n");
}

TEST_F(MetricsFile, WriteErrorIsLoggedOnce) {
  metrics_file nowhere(loop_.executor(), directory_ / "missing/file", log_);
  for (int i = 0; i < 3; ++i) {
    loop_.spawn(nowhere.write("# HELP nbdstream one\n"));
    loop_.finish();
  }
  EXPECT_EQ(log_.lines.size(), 1U);
  EXPECT_TRUE(log_.says("missing/file: cannot be written: No such file or directory"))
      << log_.all();
}

/// How many calls of hang() have returned.
std::counting_semaphore<>& returned() {
  static std::counting_semaphore<> calls(0);
  return calls;
}

/// The path is a descriptor, and the disk answers once there is something to read there.
std::int64_t hang(const std::string& path, const std::string& /*text*/) {
  char byte{};
  const auto answer = ::read(std::stoi(path), &byte, 1) == 1 ? 0 : -EIO;
  returned().release();
  return answer;
}

TEST_F(MetricsFile, HangingDiskDoesNotBlockTheEnd) {
  const auto pipe = make_pipe();
  metrics_file hung(loop_.executor(), std::to_string(pipe.read.get()), log_, hang);
  loop_.spawn(hung.write("# HELP nbdstream one\n"));
  loop_.poll();
  loop_.spawn(hung.write_last("two\n"));
  loop_.finish();  // both
  EXPECT_TRUE(log_.says("cannot be written: Connection timed out")) << log_.all();
  // The thread that was left behind uses the pipe.
  EXPECT_EQ(::write(pipe.write.get(), "x", 1), 1);
  EXPECT_TRUE(returned().try_acquire_for(std::chrono::seconds(10)));
}

TEST_F(MetricsFile, LastTextIsWrittenToASlowDisk) {
  const auto pipe = make_pipe();
  metrics_file slow(loop_.executor(), std::to_string(pipe.read.get()), log_, hang);
  loop_.spawn(slow.write("# HELP nbdstream one\n"));
  loop_.poll();
  loop_.spawn(slow.write_last("two\n"));
  loop_.poll();
  EXPECT_EQ(::write(pipe.write.get(), "xx", 2), 2);
  loop_.finish();
  EXPECT_TRUE(drain(pipe.read.get()).empty()) << "the last was not written";
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(returned().try_acquire());
  EXPECT_TRUE(log_.lines.empty()) << log_.all();
}

}  // namespace
}  // namespace nbdstream::test
