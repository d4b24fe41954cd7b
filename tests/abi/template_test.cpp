// SPDX-License-Identifier: BSD-3-Clause
//
// The sink that third parties copy: it builds outside the tree, and works.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

#include "host.hpp"
#include "surroundings.hpp"

namespace sink_tests {
namespace {

const std::string source = TEMPLATE_DIRECTORY;

struct Template : ::testing::Test {
  directory here;
  const std::string path = here / "image";
  sink file{test_module("template"), {{"path", path}}};
};

TEST(TemplateSource, builds_elsewhere_with_the_command_that_it_names) {
  const directory here;
  std::filesystem::copy(source + "/template.c", here / "mine.c");
  process compiler = process::running({C_COMPILER, "-std=c11", "-Wall", "-Wextra", "-Wpedantic",
                                       "-Werror", "-shared", "-fPIC", "-I", INCLUDE_DIRECTORY, "-o",
                                       here / "mine.so", here / "mine.c"});
  ASSERT_EQ(compiler.wait(), 0);
  EXPECT_STREQ(load(here / "mine.so").name, "template");
}

TEST_F(Template, commit_makes_the_file_appear) {
  const std::string data = pattern(100'000);
  ASSERT_EQ(file.open(), 0);
  EXPECT_EQ(file.fd(), -1) << "it takes the bytes by itself";
  ASSERT_EQ(file.send(data), 0);
  EXPECT_EQ(here.names(), std::vector<std::string>{"image.part"});
  ASSERT_EQ(file.commit(data.size()), 0);
  EXPECT_EQ(here.names(), std::vector<std::string>{"image"});
  EXPECT_TRUE(contents_of(path) == data);
}

TEST_F(Template, abort_leaves_nothing) {
  ASSERT_EQ(file.stream("whole"), 0);
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("torn"), 0);
  EXPECT_EQ(file.abort(), 0);
  EXPECT_EQ(here.names(), std::vector<std::string>{"image"});
  EXPECT_EQ(contents_of(path), "whole");
}

TEST_F(Template, the_next_stream_takes_the_place_of_the_last) {
  EXPECT_EQ(file.stream("first"), 0);
  EXPECT_EQ(file.stream("second"), 0);
  EXPECT_EQ(contents_of(path), "second");
}

TEST_F(Template, zeroes_become_a_hole) {
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("x"), 0);
  ASSERT_EQ(file.zero(1 << 20), 1 << 20);
  ASSERT_EQ(file.commit((1 << 20) + 1), 0);
  EXPECT_TRUE(contents_of(path) == "x" + std::string(1 << 20, '\0'));
  EXPECT_LT(status_of(path).st_blocks * 512, 1 << 20);
}

TEST_F(Template, a_part_of_someone_else_is_neither_used_nor_removed) {
  create_file(path + ".part", "theirs");
  EXPECT_EQ(file.open(), -EEXIST);
  EXPECT_NE(file.explanation().find("image.part"), std::string::npos);
  EXPECT_EQ(contents_of(path + ".part"), "theirs");
}

}  // namespace
}  // namespace sink_tests
