// SPDX-License-Identifier: BSD-3-Clause
//
// How a file of the sink `file` gets its name, where the system makes that hard.
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
  /// The exit status of a process in which the calls fail that `fail` makes fail, once the stream
  /// is under way: -commit; 254 where such a call was not made, or 255. `log`: how many lines there
  /// must be.
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

  /// That a commit failed, and the complete file is in `where`, under a name that says so and is
  /// told; `others` are beside it.
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

/// What happens in a directory, in order, as far as it is about closing, removing and renaming.
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

/// Where a file is sent to another machine as it is closed, an abort would leave it there.
TEST_F(FileCommit, ClosesTheFileBeforeItIsRemoved) {
  sink file(module, with({}));
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("torn"), 0);
  const watch events(here);
  EXPECT_EQ(file.abort(), 0);
  EXPECT_EQ(events.seen(), (std::vector<unsigned>{IN_CLOSE_WRITE, IN_DELETE}));
}

/// And a commit would be over before it is known whether it has arrived.
TEST_F(FileCommit, ClosesTheFileBeforeItGetsItsName) {
  for (const char* sync : {"true", "false"}) {
    sink file(module, with({{"sync", sync}, {"overwrite", "true"}}));
    ASSERT_EQ(file.open(), 0);
    ASSERT_EQ(file.send("hello"), 0);
    const watch events(here);
    EXPECT_EQ(file.commit(5), 0);
    EXPECT_EQ(events.seen(), (std::vector<unsigned>{IN_CLOSE_WRITE, IN_MOVED_FROM})) << sync;
  }
}

TEST_F(FileCommit, KeepsTheCompleteFileWhereTheDirectoryWasMovedAway) {
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

TEST_F(FileCommit, needs_no_directory_that_can_be_synced) {
  const auto fail = [](const sink&) { return fail_once(SYS_fsync, EINVAL, 1); };
  EXPECT_EQ(commit_where(fail), 0);
  EXPECT_EQ(contents_of(path), "hello");
}

/// The first to be synced is the file.
const failing directory_that_cannot_be_synced = [](const sink&) {
  return fail_once(SYS_fsync, EIO, 1);
};

TEST_F(FileCommit, TakesTheNameBackThatDidNotReachTheDisk) {
  EXPECT_EQ(commit_where(directory_that_cannot_be_synced), EIO);
  EXPECT_NE(said().find("disk.raw: its name did not reach the disk: Input/output error"),
            std::string::npos);
  expect_kept(here);
}

TEST_F(FileCommit, TellsThatTheNewFileHasReplacedTheOldOneThoughItFailed) {
  create_file(path, "old");
  EXPECT_EQ(commit_where(directory_that_cannot_be_synced, 0, {{"overwrite", "true"}}), EIO);
  EXPECT_EQ(contents_of(path), "hello");
  EXPECT_EQ(here.names(), names{"disk.raw"});
  EXPECT_EQ(said(), path +
                        ": the complete new file is there, and any older one gone, but a crash of "
                        "the system may undo that: its directory did not reach the disk: "
                        "Input/output error");
}

/// Somebody has replaced our file with theirs before that becomes known.
TEST_F(FileCommit, that_fails_removes_nothing_of_somebody_else) {
  const auto fail = [&](const sink& file) {
    create_file(path, "precious");
    return disable_call(SYS_renameat2, 0) && directory_that_cannot_be_synced(file);
  };
  EXPECT_EQ(commit_where(fail), EIO);
  EXPECT_EQ(contents_of(path), "precious");
  EXPECT_EQ(said().find("is kept as"), std::string::npos) << said();
}

TEST_F(FileCommit, KeepsTheCompleteFileWhereItsNameIsRefused) {
  for (const int error : {EIO, EBUSY, EROFS}) {
    directory fresh;
    sink file(module, {{"path", fresh / "disk.raw"}, {"overwrite", "true"}});
    process child([&] {
      if (file.open() != 0 || file.send("hello") != 0) return 255;
      // The second rename is the one that keeps it: with RENAME_NOREPLACE, another call.
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

TEST_F(FileCommit, KeepsTheCompleteFileUnderTheTemporaryNameWhereItCanGetNoOther) {
  const auto fail = [](const sink&) { return disable_call(SYS_renameat2, EROFS); };
  EXPECT_EQ(commit_where(fail), EROFS);
  ASSERT_EQ(here.names().size(), 1U);
  const std::string kept = here / here.names()[0];
  EXPECT_EQ(kept.rfind(here / ".disk.raw.nbdstream-", 0), 0U) << kept;
  EXPECT_EQ(contents_of(kept), "hello");
  EXPECT_NE(said().find("is kept as " + kept), std::string::npos) << said();
}

TEST_F(FileCommit, LeavesNothingWhereTheDataDidNotReachTheDisk) {
  EXPECT_EQ(commit_where([](const sink&) { return disable_call(SYS_fsync, EIO); }), EIO);
  EXPECT_TRUE(here.names().empty());
  EXPECT_NE(said().find("what was written did not reach the disk"), std::string::npos) << said();
}

bool without_links() {
  return disable_call(SYS_renameat2, EINVAL) && disable_call(SYS_linkat, EPERM);
}

TEST_F(FileCommit, works_on_file_systems_that_cannot_rename_without_replacing_nor_link) {
  EXPECT_EQ(commit_where([](const sink&) { return without_links(); }, 1), 0);
  EXPECT_EQ(contents_of(path), "hello");
  EXPECT_EQ(here.names(), names{"disk.raw"});
}

TEST_F(FileCommit, keeps_a_file_that_has_appeared_on_those_as_well) {
  const auto fail = [&](const sink&) {
    create_file(path, "precious");
    return without_links();
  };
  EXPECT_EQ(commit_where(fail), EEXIST);
  EXPECT_EQ(contents_of(path), "precious");
  expect_kept(here, {"disk.raw"});
}

/// As in an old container, or on an old kernel; a mount of rclone says EIO for links.
TEST_F(FileCommit, NeedsNoNewSystemCalls) {
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

struct FileOfInterruptedCalls : FileCommit, ::testing::WithParamInterface<long> {};

TEST_P(FileOfInterruptedCalls, IsCommittedAllTheSame) {
  const auto interrupt = [](const sink&) { return fail_once(GetParam(), EINTR); };
  EXPECT_EQ(commit_where(interrupt), 0) << said();
  EXPECT_EQ(contents_of(path), "hello");
  EXPECT_EQ(here.names(), names{"disk.raw"});
}

INSTANTIATE_TEST_SUITE_P(Calls, FileOfInterruptedCalls,
                         ::testing::Values(SYS_fsync, SYS_renameat2, SYS_ftruncate));

TEST_F(FileCommit, that_needs_a_random_name_and_has_none_is_not_to_be_repeated) {
  process child([&] {
    sink file(module, with({}));
    if (!disable_call(SYS_getrandom, EAGAIN)) return 255;
    return -file.open();
  });
  EXPECT_EQ(child.wait(), EIO);
}

/// As a mount of rclone without a cache: it takes the next byte, and no other.
TEST_F(FileCommit, WritesTheZeroesWhereTheFileSystemTakesNoSeeks) {
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
