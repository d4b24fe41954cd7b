// SPDX-License-Identifier: BSD-3-Clause
//
// How the sink `file` treats its path.
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "file_fixture.hpp"
#include "system_calls.hpp"

namespace sink_tests {
namespace {

struct FilePath : file_fixture {
  /// Expects that create fails with an explanation of one line that has all these words.
  void expect_refused(const settings& values, const std::vector<std::string>& words) const {
    const sink refused(module, values);
    EXPECT_LT(refused.created, 0);
    for (const std::string& word : words)
      EXPECT_NE(refused.explanation().find(word), std::string::npos) << refused.explanation();
    EXPECT_EQ(refused.explanation().find('\n'), std::string::npos);
  }
};

TEST_F(FilePath, ExistingFileIsRefusedAtCreate) {
  create_file(path, "precious");
  expect_refused(with({}), {path, "exists", "overwrite"});
  EXPECT_EQ(contents_of(path), "precious");
}

TEST_F(FilePath, OtherFileTypeIsRefusedAndItsSinkIsNamed) {
  ASSERT_EQ(::mkfifo((here / "pipe").c_str(), 0600), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (here / "socket").c_str(), sizeof address.sun_path - 1);
  const descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const descriptor out(pipe[0]), in(pipe[1]);
  const std::string standard_output = "/proc/self/fd/" + std::to_string(in.get());
  for (const char* overwrite : {"false", "true"}) {
    const auto refused = [&](const std::string& where, const std::vector<std::string>& words) {
      expect_refused({{"path", where}, {"overwrite", overwrite}}, words);
    };
    refused(here / "pipe", {"pipe", "`fifo`"});
    refused(standard_output, {"pipe", "`fifo`", "`stdout`"});
    refused(here / "socket", {"socket", "`fifo`"});
    refused("/dev/null", {"character device", "`fifo`"});
    refused(here.path(), {here.path(), "directory"});
    refused(here / "missing" + "/disk.raw", {"directory does not exist"});
    refused(here / "new" + "/", {"directory"});
    refused("", {"empty"});
  }
}

TEST_F(FilePath, SymbolicLinkIsFollowedAndItsTargetReplaced) {
  const directory elsewhere;
  create_file(elsewhere / "real", "old");
  ASSERT_EQ(::symlink((elsewhere / "real").c_str(), path.c_str()), 0);
  expect_refused(with({}), {"exists"});
  sink file(module, with({{"overwrite", "true"}}));
  ASSERT_EQ(file.open(), 0);
  EXPECT_EQ(elsewhere.names().size(), 2U) << "the temporary is there";
  ASSERT_EQ(file.send("new"), 0);
  ASSERT_EQ(file.commit(3), 0) << file.explanation();
  EXPECT_EQ(elsewhere.names(), names{"real"});
  EXPECT_EQ(contents_of(elsewhere / "real"), "new");
  EXPECT_TRUE(S_ISLNK(status_of(path).st_mode));
}

TEST_F(FilePath, DanglingSymbolicLinkIsRefused) {
  ASSERT_EQ(::symlink((here / "elsewhere").c_str(), path.c_str()), 0);
  for (const char* overwrite : {"false", "true"})
    expect_refused(with({{"overwrite", overwrite}}), {path, "symbolic link"});
}

TEST_F(FilePath, SymbolicLinkOfAnotherUserIsRefused) {
  create_file(here / "real", "precious");
  for (const std::string& end : {here / "real", here / "nothing", std::string("/dev/null")}) {
    ASSERT_EQ(::symlink(end.c_str(), path.c_str()), 0);
    if (::lchown(path.c_str(), 12345, 12345) != 0) GTEST_SKIP() << "only root can give links away";
    for (const char* overwrite : {"false", "true"})
      expect_refused(with({{"overwrite", overwrite}}), {path, "symbolic link of another user"});
    ASSERT_EQ(::unlink(path.c_str()), 0);
  }
}

TEST_F(FilePath, FileOfAnotherUserInStickyDirectoryIsRefused) {
  create_file(path, "precious");
  ASSERT_EQ(::chmod(here.path().c_str(), 01777), 0);
  if (::chown(path.c_str(), 12345, 12345) != 0) GTEST_SKIP() << "only root can give files away";
  struct stat root {};
  if (::stat("/", &root) != 0 || (root.st_mode & S_IXOTH) == 0)
    GTEST_SKIP() << "other users can open nothing here: / is closed to them";
  const settings values = with({{"overwrite", "true"}});
  (void)load(module);
  const auto created_by = [&](uid_t user) {
    process child([&] {
      if (::setresuid(user, user, user) != 0) return 255;
      return -sink(module, values).created;
    });
    return child.wait();
  };
  EXPECT_EQ(created_by(54321), EPERM);
  EXPECT_EQ(created_by(12345), 0);
  EXPECT_EQ(created_by(0), 0);
  ASSERT_EQ(::chmod(here.path().c_str(), 0777), 0);
  EXPECT_EQ(created_by(54321), 0);
}

TEST_F(FilePath, NameOf255BytesWorks) {
  const std::string name(255, 'n');
  sink file(module, {{"path", here / name}});
  EXPECT_EQ(file.stream("hello"), 0) << file.explanation();
  EXPECT_EQ(here.names(), names{name});
}

TEST_F(FilePath, NameOf256BytesIsRefused) {
  const std::string name(256, 'n');
  for (const char* overwrite : {"false", "true"})
    expect_refused({{"path", here / name}, {"overwrite", overwrite}},
                   {"256 bytes", "takes 255", "shorter"});
}

/// Sets a flag like chattr(1), until this object is destroyed.
class protection {
 public:
  protection(const std::string& path, int flag) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    set_ = ::ioctl(fd_.get(), FS_IOC_GETFLAGS, &before_) == 0 && change(before_ | flag);
  }
  protection(const protection&) = delete;
  protection& operator=(const protection&) = delete;
  ~protection() {
    if (set_) change(before_);
  }
  [[nodiscard]] bool is_set() const { return set_; }

 private:
  bool change(int flags) { return ::ioctl(fd_.get(), FS_IOC_SETFLAGS, &flags) == 0; }

  descriptor fd_;
  int before_ = 0;
  bool set_ = false;
};

struct flag {
  int value;
  const char* word;
  const char* remedy;
};
constexpr flag immutable{FS_IMMUTABLE_FL, "immutable", "chattr -i"};
constexpr flag append_only{FS_APPEND_FL, "append-only", "chattr -a"};

/// Each test runs twice, the second time without statx(), as on old kernels and in old containers.
struct ProtectedFilePath : FilePath, ::testing::WithParamInterface<flag> {
  void expect_refused_with_and_without_statx(const std::string& what) const {
    const settings replacing = with({{"overwrite", "true"}});
    expect_refused(replacing, {path, what, GetParam().word, GetParam().remedy});
    process child([&] {
      if (!disable_call(SYS_statx, EPERM)) return 255;
      const sink refused(module, replacing);
      return refused.explanation().find(GetParam().word) != std::string::npos ? 0 : 1;
    });
    EXPECT_EQ(child.wait(), 0);
  }
};

TEST_P(ProtectedFilePath, ProtectedFileIsRefusedAtCreate) {
  create_file(path, "precious");
  const protection set(path, GetParam().value);
  if (!set.is_set()) GTEST_SKIP() << "only root can protect files, and not on every file system";
  expect_refused_with_and_without_statx("disk.raw is ");
}

TEST_P(ProtectedFilePath, ProtectedDirectoryIsRefusedAtCreate) {
  const protection set(here.path(), GetParam().value);
  if (!set.is_set()) GTEST_SKIP() << "only root can protect files, and not on every file system";
  expect_refused_with_and_without_statx("directory is ");
  EXPECT_TRUE(here.names().empty());
}

INSTANTIATE_TEST_SUITE_P(Flags, ProtectedFilePath, ::testing::Values(immutable, append_only),
                         [](const auto& each) {
                           return each.index == 0 ? "Immutable" : "AppendOnly";
                         });

/// As with `docker run -v $PWD/disk.raw:/disk.raw`. Also if file and mount are on one device.
TEST_F(FilePath, MountPointIsRefusedAtCreate) {
  create_file(here / "source", "precious");
  create_file(path, "below");
  process child([&] {
    if (::unshare(CLONE_NEWNS) != 0) return 77;
    if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
    if (::mount((here / "source").c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) return 77;
    expect_refused(with({{"overwrite", "true"}}), {path, "mount point", "mount its directory"});
    return HasFailure() ? 1 : 0;
  });
  const int status = child.wait();
  if (status == 77) GTEST_SKIP() << "only root can mount here";
  EXPECT_EQ(status, 0);
}

TEST_F(FilePath, MissingDirectoryFailsStreamButNotTheNext) {
  const std::string gone = here / "mount";
  ASSERT_EQ(::mkdir(gone.c_str(), 0700), 0);
  sink file(module, {{"path", gone + "/disk.raw"}});
  ASSERT_EQ(::rmdir(gone.c_str()), 0);
  EXPECT_EQ(file.open(), -ENOENT);
  ASSERT_EQ(::mkdir(gone.c_str(), 0700), 0);
  EXPECT_EQ(file.stream("hello"), 0) << file.explanation();
}

}  // namespace
}  // namespace sink_tests
