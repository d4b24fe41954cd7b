// SPDX-License-Identifier: BSD-3-Clause
//
// How a file of the sink `file` gets its name, where the system makes that hard.
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>

#include "file_fixture.hpp"
#include "system_calls.hpp"

namespace sink_tests {
namespace {

struct FileCommit : file_fixture {
  /// The exit status of a process in which the calls fail that `fail` makes fail, once the stream
  /// is under way: -commit, or 255. `log`: how many lines there must be.
  [[nodiscard]] int commit_where(const std::function<bool(const sink&)>& fail,
                                 size_t log = 0) const {
    process child([&] {
      sink file(module, with({}));
      if (file.open() != 0 || file.send("hello") != 0) return 255;
      if (!fail(file)) return 255;
      const int status = file.commit(5);
      if (status != 0) (void)file.abort();
      return file.log.size() == log ? -status : 255;
    });
    return child.wait();
  }
};

TEST_F(FileCommit, fails_where_the_directory_was_moved_away) {
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
    EXPECT_NE(file.explanation().find("moved or removed"), std::string::npos) << file.explanation();
    EXPECT_EQ(file.abort(), 0);
    EXPECT_EQ(std::remove(moved.c_str()), 0) << "nothing is left in it";
    if (!another) make(out);
  }
  EXPECT_EQ(file.stream("hello"), 0) << file.explanation();
  EXPECT_EQ(contents_of(out + "/disk.raw"), "hello");
}

TEST_F(FileCommit, needs_no_directory_that_can_be_synced) {
  const auto fail = [](const sink& file) { return disable_call(SYS_fsync, EINVAL, file.fd()); };
  EXPECT_EQ(commit_where(fail), 0);
  EXPECT_EQ(contents_of(path), "hello");
}

TEST_F(FileCommit, leaves_nothing_where_the_name_does_not_reach_the_disk) {
  const auto fail = [](const sink& file) { return disable_call(SYS_fsync, EIO, file.fd()); };
  EXPECT_EQ(commit_where(fail), EIO);
  EXPECT_TRUE(here.names().empty());
}

/// Somebody has replaced our file with theirs before that becomes known.
TEST_F(FileCommit, that_fails_removes_nothing_of_somebody_else) {
  const auto fail = [&](const sink& file) {
    create_file(path, "precious");
    return disable_call(SYS_renameat2, 0) && disable_call(SYS_fsync, EIO, file.fd());
  };
  EXPECT_EQ(commit_where(fail), EIO);
  EXPECT_EQ(contents_of(path), "precious");
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
  EXPECT_EQ(here.names(), names{"disk.raw"});
}

TEST_F(FileCommit, that_needs_a_random_name_and_has_none_is_not_to_be_repeated) {
  process child([&] {
    sink file(module, with({}));
    if (!disable_call(SYS_getrandom, EAGAIN)) return 255;
    return -file.open();
  });
  EXPECT_EQ(child.wait(), EIO);
}

}  // namespace
}  // namespace sink_tests
