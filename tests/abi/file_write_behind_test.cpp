// SPDX-License-Identifier: BSD-3-Clause
//
// How the sink `file` has its data written to the disk while the stream goes on.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

#include "file/write_behind.hpp"
#include "file_fixture.hpp"
#include "system_calls.hpp"

namespace sink_tests {
namespace {

constexpr int64_t mebibyte = 1 << 20;
/// The thread waits for the disk when more than 64 MiB are on their way there.
constexpr int64_t enough = 96 * mebibyte;

/// How many pages of the first `length` bytes of a file are in the cache; -1 where nobody can tell.
int64_t cached_pages(const std::string& path, size_t length) {
  const descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  void* const map = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (map == MAP_FAILED) return -1;
  std::vector<unsigned char> pages(length / 4096);
  int64_t count = -1;
  if (::mincore(map, length, pages.data()) == 0) {
    count = 0;
    for (const unsigned char flags : pages) count += flags & 1;
  }
  ::munmap(map, length);
  return count;
}

/// The file that is being written has another name than in the end.
std::string only_file_in(const directory& where) {
  const names all = where.names();
  return all.size() == 1 ? where / all[0] : "";
}

/// A host that counts how often it is woken.
struct woken_host {
  std::atomic<int> wakes = 0;
  nbdstream_host table{};

  woken_host() {
    table.struct_size = sizeof table;
    table.context = this;
    table.wake = [](const nbdstream_host* host) {
      ++static_cast<woken_host*>(host->context)->wakes;
    };
  }
};

struct FileWriteBehind : file_fixture {
  const std::string data = pattern(8 * mebibyte);
  const directory notes;

  /// 0, or what the sink says.
  [[nodiscard]] int send(sink& file, int64_t size) const {
    int status = 0;
    for (int64_t sent = 0; status == 0 && sent < size; sent += 8 * mebibyte)
      status = file.send(data);
    return status;
  }

  /// A stream of `size` bytes in a process in which `fail` makes calls of the system fail. Returns
  /// the errno that commit says, or 0, or a number from 201 on for a test that went wrong.
  template <class Fail>
  [[nodiscard]] int commit_with(Fail fail, int expected_check, int64_t size = enough) const {
    process child([&] {
      if (!fail()) return 201;
      sink file(module, with({}));
      if (file.open() != 0 || send(file, size) != 0) return 202;
      if (expected_check != 0 && !eventually([&] { return file.check() == -expected_check; }))
        return 204;
      const int status = file.commit(uint64_t(size));
      create_file(notes / "said", file.explanation());
      if (status != 0) (void)file.abort();
      return -status;
    });
    return child.wait();
  }
};

TEST_F(FileWriteBehind, DropsFromTheCacheWhatIsOnTheDisk) {
  struct statfs system {};
  ASSERT_EQ(::statfs(here.path().c_str(), &system), 0);
  if (system.f_type == TMPFS_MAGIC) GTEST_SKIP() << "this file system is its own cache";
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(send(file, enough), 0);
  EXPECT_TRUE(eventually([&] { return cached_pages(only_file_in(here), 8 * mebibyte) == 0; }));
  EXPECT_EQ(file.commit(enough), 0) << file.explanation();
  EXPECT_EQ(contents_of(path).substr(0, data.size()), data);
}

TEST_F(FileWriteBehind, SyncFalseSendsNothingToTheDisk) {
  process child([&] {
    if (!fail_once(SYS_sync_file_range, EIO)) return 201;
    {
      sink file(module, with({{"sync", "false"}}));
      if (file.open() != 0 || send(file, enough) != 0) return 202;
      if (file.commit(enough) != 0) return 203;
    }
    return failure_is_pending() ? 0 : 204;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(FileWriteBehind, TellsTheHostWhatDidNotReachTheDiskAndFailsTheCommit) {
  for (const int error : {EIO, ENOSPC}) {
    EXPECT_EQ(commit_with([&] { return disable_call(SYS_sync_file_range, error); }, error), error);
    EXPECT_TRUE(here.names().empty());
    const std::string said = contents_of(notes / "said");
    EXPECT_NE(said.find("disk.raw: what was written did not reach the disk: "), std::string::npos)
        << said;
  }
}

/// The system reports the error once, here to the thread, and not to the commit.
TEST_F(FileWriteBehind, FailsTheCommitAlsoWhereTheDiskWorksAgain) {
  EXPECT_EQ(commit_with([&] { return fail_once(SYS_sync_file_range, EIO, 10); }, EIO), EIO);
  EXPECT_TRUE(here.names().empty());
}

TEST_F(FileWriteBehind, NeedsNoSystemThatKnowsTheCall) {
  constexpr int64_t size = 16 * mebibyte;
  for (const int error : {ENOSYS, EPERM, ESPIPE}) {
    EXPECT_EQ(commit_with([&] { return disable_call(SYS_sync_file_range, error); }, 0, size), 0);
    EXPECT_EQ(contents_of(path).size(), size_t(size));
    ASSERT_EQ(std::remove(path.c_str()), 0);
  }
}

TEST_F(FileWriteBehind, NeedsNoThread) {
  constexpr int64_t size = 16 * mebibyte;
  const auto no_thread = [] {
    return disable_call(SYS_clone3, EAGAIN) && disable_call(SYS_clone, EAGAIN);
  };
  EXPECT_EQ(commit_with(no_thread, 0, size), 0);
  EXPECT_EQ(contents_of(path).size(), size_t(size));
}

TEST_F(FileWriteBehind, NeedsNoProc) {
  process child([&] {
    woken_host host;
    const descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!disable_call(SYS_openat, ENOENT)) return 201;
    nbdstream::file::write_behind behind(nbdstream::sink_host(&host.table), fd.get());
    if (::lseek(fd.get(), enough, SEEK_SET) != enough) return 202;
    return behind.finish() == 0 && behind.error() == 0 && host.wakes == 0 ? 0 : 203;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(FileWriteBehind, LeavesNothingAfterAnAbort) {
  sink file(module, with({}));
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(file.open(), 0);
    ASSERT_EQ(file.send(data), 0);
    ASSERT_EQ(file.send(data), 0);
    EXPECT_EQ(file.abort(), 0);
    EXPECT_TRUE(here.names().empty());
  }
  EXPECT_EQ(file.stream("hello"), 0) << file.explanation();
}

TEST_F(FileWriteBehind, WakesTheHostOnceForAnError) {
  process child([&] {
    if (!disable_call(SYS_sync_file_range, EIO)) return 201;
    woken_host host;
    const descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    nbdstream::file::write_behind behind(nbdstream::sink_host(&host.table), fd.get());
    for (int64_t sent = 0; sent < enough; sent += 8 * mebibyte)
      if (::write(fd.get(), data.data(), data.size()) != ssize_t(data.size())) return 202;
    if (!eventually([&] { return host.wakes > 0; })) return 203;
    if (behind.error() != EIO || behind.finish() != 0) return 204;
    return host.wakes == 1 ? 0 : 205;
  });
  EXPECT_EQ(child.wait(), 0);
}

/// In pieces of 8 MiB, a hole of a terabyte would be a quarter of a million calls.
TEST_F(FileWriteBehind, GetsOverALongHoleWithFewCalls) {
  process child([&] {
    if (!fail_once(SYS_sync_file_range, EIO, 24)) return 201;
    woken_host host;
    const descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    nbdstream::file::write_behind behind(nbdstream::sink_host(&host.table), fd.get());
    constexpr off64_t terabyte = off64_t{1} << 40;
    if (::lseek(fd.get(), terabyte, SEEK_SET) != terabyte) return 202;
    for (int i = 0; i < 20; ++i)
      if (::write(fd.get(), data.data(), data.size()) != ssize_t(data.size())) return 203;
    if (!eventually([&] { return host.wakes > 0; })) return 204;
    return behind.finish() > terabyte ? 0 : 205;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace sink_tests
