// SPDX-License-Identifier: BSD-3-Clause
//
// The permissions of a file that the sink `file` has made.
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "file_fixture.hpp"
#include "system_calls.hpp"

namespace sink_tests {
namespace {

constexpr auto access_list = "system.posix_acl_access";
constexpr auto default_list = "system.posix_acl_default";

/// The kernel's form of: user::rw, user:12345:r, group::-, mask::r, other::-.
std::string list_with_one_more_reader() {
  struct entry {
    uint16_t tag, rights;
    uint32_t id;
  };
  constexpr uint32_t nobody = UINT32_MAX, version = 2;
  constexpr entry entries[]{
      {0x01, 6, nobody}, {0x02, 4, 12345}, {0x04, 0, nobody}, {0x10, 4, nobody}, {0x20, 0, nobody}};
  return std::string(reinterpret_cast<const char*>(&version), sizeof version) +
         std::string(reinterpret_cast<const char*>(entries), sizeof entries);
}

/// False if the file system has no access lists.
bool set_list(const std::string& path, const char* which) {
  const std::string list = list_with_one_more_reader();
  return ::setxattr(path.c_str(), which, list.data(), list.size(), 0) == 0;
}

std::string list_of(const std::string& path) {
  std::string list(1000, '\0');
  const auto size = ::getxattr(path.c_str(), access_list, list.data(), list.size());
  return list.substr(0, size > 0 ? size_t(size) : 0);
}

struct FilePermissions : file_fixture {
  [[nodiscard]] mode_t mode_of(const settings& values) const {
    sink file(module, with(values));
    EXPECT_EQ(file.stream("hello"), 0) << file.explanation();
    return mode();
  }

  [[nodiscard]] mode_t mode() const { return status_of(path).st_mode & 07777; }

  /// 0 if the temporary file is created without permissions for group and others.
  [[nodiscard]] int first_mode(const settings& values) const {
    process child([&] {
      if (!disable_call(SYS_fchown, 0) || !disable_call(SYS_fchmod, 0)) return 1;
      sink file(module, with(values));
      struct stat status {};
      if (file.open() != 0 || ::fstat(file.fd(), &status) != 0) return 2;
      return (status.st_mode & 0077) == 0 ? 0 : 3;
    });
    return child.wait();
  }
};

TEST_F(FilePermissions, FollowUmask) {
  const mode_t before = ::umask(027);
  EXPECT_EQ(mode_of({}), 0640U);
  ::umask(before);
}

TEST_F(FilePermissions, EqualModeOption) {
  const mode_t before = ::umask(077);
  EXPECT_EQ(mode_of({{"mode", "0664"}}), 0664U);
  EXPECT_EQ(mode_of({{"mode", "400"}, {"overwrite", "true"}}), 0400U);
  ::umask(before);
}

TEST_F(FilePermissions, EqualThoseOfReplacedFile) {
  create_file(path, "secret");
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(mode_of({{"overwrite", "true"}}), 0600U);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  EXPECT_EQ(mode_of({{"overwrite", "true"}}), 0666U);
}

TEST_F(FilePermissions, ExcludeGroupAndOthersOnTemporaryFile) {
  EXPECT_EQ(first_mode({{"mode", "0644"}}), 0);
  create_file(path, "secret");
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(first_mode({{"overwrite", "true"}}), 0);
}

TEST_F(FilePermissions, IncludeAccessListOfReplacedFile) {
  create_file(path, "secret");
  if (!set_list(path, access_list)) GTEST_SKIP() << "this file system has no access lists";
  const std::string before = list_of(path);
  EXPECT_EQ(mode_of({{"overwrite", "true"}}), 0640U);
  EXPECT_EQ(list_of(path), before);
  EXPECT_FALSE(before.empty());
}

TEST_F(FilePermissions, ExcludeGroupWhenAccessListCannotBeCopied) {
  create_file(path, "secret");
  if (!set_list(path, access_list)) GTEST_SKIP() << "this file system has no access lists";
  process child([&] {
    if (!disable_call(SYS_fsetxattr, ENOTSUP)) return 1;
    return mode_of({{"overwrite", "true"}}) == 0600 ? 0 : 2;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(FilePermissions, IgnoreDefaultAccessListOfDirectory) {
  create_file(path, "secret");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  if (!set_list(here.path(), default_list)) GTEST_SKIP() << "this file system has no access lists";
  EXPECT_EQ(mode_of({{"overwrite", "true"}}), 0640U);
  EXPECT_EQ(list_of(path), "");
}

TEST_F(FilePermissions, InvalidModeIsRefused) {
  for (const char* mode : {"", "rw", "0800", "01000", "-1", "0644 "}) {
    const sink refused(module, with({{"mode", mode}}));
    EXPECT_LT(refused.created, 0);
    EXPECT_NE(refused.explanation().find("mode="), std::string::npos) << refused.explanation();
    EXPECT_NE(refused.explanation().find("octal"), std::string::npos) << refused.explanation();
  }
}

}  // namespace
}  // namespace sink_tests
