// SPDX-License-Identifier: BSD-3-Clause
//
// How a file of the sink `file` gets its name when system calls fail.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "file_fixture.hpp"
#include "system_calls.hpp"

namespace sink_tests {
namespace {

using failing = std::function<bool(const sink&)>;

struct FileCommit : file_fixture {
  /// Runs a stream in a child process, in which `fail` makes system calls fail before the commit.
  /// Returns -commit; 254 if the failing call was never made; 255 for any other error. `log`: the
  /// expected number of log lines.
  [[nodiscard]] int commit_where(const failing& fail, size_t log = 0,
                                 const settings& more = {}) const {
    process child([&] {
      sink file(module, with(more));
      if (file.open() != 0 || file.send("hello") != 0) return 255;
      if (!fail(file)) return 255;
      const int status = file.commit(5);
      create_file(notes / "said", file.explanation());
      if (status != 0) (void)file.abort();
      if (failure_is_pending()) return 254;
      return file.log.size() == log ? -status : 255;
    });
    return child.wait();
  }

  /// Expects that a commit failed and that the complete file is kept in `where`, under a name that
  /// the explanation gives. `others` are the other files there.
  void expect_kept(const directory& where, const names& others = {}) const {
    std::string kept;
    names rest;
    for (const std::string& name : where.names())
      (name.rfind("disk.raw.complete-", 0) == 0 ? kept : rest.emplace_back()) = name;
    EXPECT_EQ(rest, others);
    EXPECT_EQ(contents_of(where / kept), "hello");
    EXPECT_NE(said().find("; the complete file is kept as " + where / kept), std::string::npos)
        << said();
  }

  [[nodiscard]] std::string said() const { return contents_of(notes / "said"); }

  const directory notes;
};

/// Records, in order, which files of a directory are closed, removed and renamed.
class watch {
 public:
  explicit watch(const directory& where) : events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    const unsigned mask = IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM;
    EXPECT_GE(::inotify_add_watch(events_.get(), where.path().c_str(), mask), 0);
  }
  [[nodiscard]] std::vector<unsigned> seen() const {
    alignas(inotify_event) std::array<char, 16384> buffer;
    std::vector<unsigned> all;
    const ssize_t length = ::read(events_.get(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < length;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      all.push_back(event->mask);
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
    return all;
  }

 private:
  descriptor events_;
};

/// Some file systems send a file to another machine when it is closed. If the removal came first,
/// the file would stay there.
TEST_F(FileCommit, AbortClosesFileBeforeRemovingIt) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("torn"), 0);
  const watch events(here);
  EXPECT_EQ(file.abort(), 0);
  EXPECT_EQ(events.seen(), (std::vector<unsigned>{IN_CLOSE_WRITE, IN_DELETE}));
}

/// On such a file system, the commit would otherwise end before the file is known to have arrived.
TEST_F(FileCommit, ClosesFileBeforeRenamingIt) {
  for (const char* sync : {"true", "false"}) {
    sink file(module, with({{"sync", sync}, {"overwrite", "true"}}));
    ASSERT_EQ(file.open(), 0);
    ASSERT_EQ(file.send("hello"), 0);
    const watch events(here);
    EXPECT_EQ(file.commit(5), 0);
    EXPECT_EQ(events.seen(), (std::vector<unsigned>{IN_CLOSE_WRITE, IN_MOVED_FROM})) << sync;
  }
}

TEST_F(FileCommit, KeepsCompleteFileWhenDirectoryWasMoved) {
  const std::string out = here / "out", moved = here / "moved";
  const auto make = [](const std::string& name) { EXPECT_EQ(::mkdir(name.c_str(), 0700), 0); };
  make(out);
  sink file(module, {{"path", out + "/disk.raw"}});
  for (const bool another : {false, true}) {
    ASSERT_EQ(file.open(), 0);
    ASSERT_EQ(file.send("hello"), 0);
    ASSERT_EQ(std::rename(out.c_str(), moved.c_str()), 0);
    if (another) make(out);
    EXPECT_EQ(file.commit(5), -ESTALE);
    const std::string& said = file.explanation();
    EXPECT_NE(said.find("moved or removed"), std::string::npos) << said;
    const auto at = said.find(moved + "/disk.raw.complete-");
    ASSERT_NE(at, std::string::npos) << said;
    const std::string kept = said.substr(at, said.find(',', at) - at);
    EXPECT_EQ(file.abort(), 0);
    EXPECT_EQ(contents_of(kept), "hello");
    EXPECT_EQ(std::remove(kept.c_str()), 0);
    EXPECT_EQ(std::remove(moved.c_str()), 0) << "nothing else is left in it";
    if (!another) make(out);
  }
  EXPECT_EQ(file.stream("hello"), 0) << file.explanation();
  EXPECT_EQ(contents_of(out + "/disk.raw"), "hello");
}

TEST_F(FileCommit, SucceedsWhenFsyncOfDirectoryIsUnsupported) {
  const auto fail = [](const sink&) { return fail_once(SYS_fsync, EINVAL, 1); };
  EXPECT_EQ(commit_where(fail), 0);
  EXPECT_EQ(contents_of(path), "hello");
}

/// The first fsync() is that of the file.
const failing directory_that_cannot_be_synced = [](const sink&) {
  return fail_once(SYS_fsync, EIO, 1);
};

TEST_F(FileCommit, RenamesFileBackWhenFsyncOfDirectoryFails) {
  EXPECT_EQ(commit_where(directory_that_cannot_be_synced), EIO);
  EXPECT_NE(said().find("disk.raw: its name did not reach the disk: Input/output error"),
            std::string::npos);
  expect_kept(here);
}

TEST_F(FileCommit, ReportsReplacedFileWhenFsyncOfDirectoryFails) {
  create_file(path, "old");
  EXPECT_EQ(commit_where(directory_that_cannot_be_synced, 0, {{"overwrite", "true"}}), EIO);
  EXPECT_EQ(contents_of(path), "hello");
  EXPECT_EQ(here.names(), names{"disk.raw"});
  EXPECT_EQ(said(), path +
                        ": the complete new file is there, and any older one gone, but a crash of "
                        "the system may undo that: its directory did not reach the disk: "
                        "Input/output error");
}

/// Another process replaces the new file before the error is known.
TEST_F(FileCommit, FailureKeepsFileOfAnotherProcess) {
  const auto fail = [&](const sink& file) {
    create_file(path, "precious");
    return disable_call(SYS_renameat2, 0) && directory_that_cannot_be_synced(file);
  };
  EXPECT_EQ(commit_where(fail), EIO);
  EXPECT_EQ(contents_of(path), "precious");
  EXPECT_EQ(said().find("is kept as"), std::string::npos) << said();
}

TEST_F(FileCommit, KeepsCompleteFileWhenRenameFails) {
  for (const int error : {EIO, EBUSY, EROFS}) {
    directory fresh;
    sink file(module, {{"path", fresh / "disk.raw"}, {"overwrite", "true"}});
    process child([&] {
      if (file.open() != 0 || file.send("hello") != 0) return 255;
      // The second rename keeps the file. It is renameat2() with RENAME_NOREPLACE, another system
      // call.
      if (!disable_call(SYS_renameat, error)) return 255;
      const int status = file.commit(5);
      create_file(notes / "said", file.explanation());
      (void)file.abort();
      return -status;
    });
    EXPECT_EQ(child.wait(), error);
    EXPECT_NE(said().find("cannot be given this name"), std::string::npos) << said();
    expect_kept(fresh);
  }
}

TEST_F(FileCommit, KeepsTemporaryNameWhenEachRenameFails) {
  const auto fail = [](const sink&) { return disable_call(SYS_renameat2, EROFS); };
  EXPECT_EQ(commit_where(fail), EROFS);
  ASSERT_EQ(here.names().size(), 1U);
  const std::string kept = here / here.names()[0];
  EXPECT_EQ(kept.rfind(here / ".disk.raw.nbdstream-", 0), 0U) << kept;
  EXPECT_EQ(contents_of(kept), "hello");
  EXPECT_NE(said().find("is kept as " + kept), std::string::npos) << said();
}

TEST_F(FileCommit, LeavesNothingWhenFsyncOfFileFails) {
  EXPECT_EQ(commit_where([](const sink&) { return disable_call(SYS_fsync, EIO); }), EIO);
  EXPECT_TRUE(here.names().empty());
  EXPECT_NE(said().find("what was written did not reach the disk"), std::string::npos) << said();
}

bool without_links() {
  return disable_call(SYS_renameat2, EINVAL) && disable_call(SYS_linkat, EPERM);
}

TEST_F(FileCommit, WorksWithoutRenameNoreplaceAndLinks) {
  EXPECT_EQ(commit_where([](const sink&) { return without_links(); }, 1), 0);
  EXPECT_EQ(contents_of(path), "hello");
  EXPECT_EQ(here.names(), names{"disk.raw"});
}

TEST_F(FileCommit, KeepsFileThatAppearedWithoutRenameNoreplaceAndLinks) {
  const auto fail = [&](const sink&) {
    create_file(path, "precious");
    return without_links();
  };
  EXPECT_EQ(commit_where(fail), EEXIST);
  EXPECT_EQ(contents_of(path), "precious");
  expect_kept(here, {"disk.raw"});
}

/// Old containers and old kernels refuse these calls. A mount of rclone returns EIO for links.
TEST_F(FileCommit, WorksWithoutNewSystemCalls) {
  for (const int error : {EPERM, ENOSYS}) {
    const auto deny = [error](const sink&) { return disable_call(SYS_renameat2, error); };
    EXPECT_EQ(commit_where(deny), 0) << said();
    EXPECT_EQ(contents_of(path), "hello");
    ASSERT_EQ(std::remove(path.c_str()), 0);
    const auto deny_links = [error](const sink&) {
      return disable_call(SYS_renameat2, error) && disable_call(SYS_linkat, EIO);
    };
    EXPECT_EQ(commit_where(deny_links, 1), 0) << said();
    EXPECT_EQ(here.names(), names{"disk.raw"});
    ASSERT_EQ(std::remove(path.c_str()), 0);
    process child([&] {
      for (const long call : {long{SYS_faccessat2}, long{SYS_statx}})
        if (!disable_call(call, error)) return 255;
      sink file(module, with({{"overwrite", "true"}}));
      if (file.created != 0) return 1;
      return -file.stream("hello");
    });
    EXPECT_EQ(child.wait(), 0);
    ASSERT_EQ(std::remove(path.c_str()), 0);
  }
}

struct FileCommitWithEintr : FileCommit, ::testing::WithParamInterface<long> {};

TEST_P(FileCommitWithEintr, RepeatsInterruptedCall) {
  const auto interrupt = [](const sink&) { return fail_once(GetParam(), EINTR); };
  EXPECT_EQ(commit_where(interrupt), 0) << said();
  EXPECT_EQ(contents_of(path), "hello");
  EXPECT_EQ(here.names(), names{"disk.raw"});
}

INSTANTIATE_TEST_SUITE_P(Calls, FileCommitWithEintr,
                         ::testing::Values(SYS_fsync, SYS_renameat2, SYS_ftruncate));

TEST_F(FileCommit, EagainOfGetrandomBecomesEio) {
  process child([&] {
    sink file(module, with({}));
    if (!disable_call(SYS_getrandom, EAGAIN)) return 255;
    return -file.open();
  });
  EXPECT_EQ(child.wait(), EIO);
}

/// Like a mount of rclone without a cache, which takes only the next byte.
TEST_F(FileCommit, WritesZeroesAsDataWhenFileSystemCannotSeek) {
  process child([&] {
    sink file(module, with({}));
    if (!disable_call(SYS_pwrite64, ESPIPE) || !disable_call(SYS_ftruncate, EPERM)) return 1;
    if (file.open() != 0 || here.names().size() != 1) return 2;
    if (file.send("hello") != 0 || file.zero(5000) != -ENOTSUP) return 3;
    if (file.abort() != 0 || !here.names().empty()) return 4;
    if (file.open() != 0 || file.send("hello") != 0 || file.zero(3) != -ENOTSUP) return 5;
    if (file.send(std::string(3, '\0')) != 0) return 6;
    return -file.commit(8);
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(contents_of(path), std::string("hello\0\0\0", 8));
  EXPECT_EQ(here.names(), names{"disk.raw"});
}

}  // namespace
}  // namespace sink_tests
