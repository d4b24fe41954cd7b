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

struct TemplateSink : ::testing::Test {
  directory here;
  const std::string path = here / "image";
  sink file{test_module("template"), {{"path", path}}};
};

TEST(TemplateSource, BuildsOutsideTheTree) {
  const directory here;
  std::filesystem::copy(source + "/template.c", here / "mine.c");
  process compiler = process::running({C_COMPILER, "-std=c11", "-Wall", "-Wextra", "-Wpedantic",
                                       "-Werror", "-shared", "-fPIC", "-I", INCLUDE_DIRECTORY, "-o",
                                       here / "mine.so", here / "mine.c"});
  ASSERT_EQ(compiler.wait(), 0);
  EXPECT_STREQ(load(here / "mine.so").name, "template");
}

TEST_F(TemplateSink, CommitMakesFileAppear) {
  const std::string data = pattern(100'000);
  ASSERT_EQ(file.open(), 0);
  EXPECT_EQ(file.fd(), -1) << "it takes the bytes by itself";
  ASSERT_EQ(file.send(data), 0);
  EXPECT_EQ(here.names(), std::vector<std::string>{"image.part"});
  ASSERT_EQ(file.commit(data.size()), 0);
  EXPECT_EQ(here.names(), std::vector<std::string>{"image"});
  EXPECT_TRUE(contents_of(path) == data);
}

TEST_F(TemplateSink, AbortKeepsOnlyPreviousFile) {
  ASSERT_EQ(file.stream("whole"), 0);
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("torn"), 0);
  EXPECT_EQ(file.abort(), 0);
  EXPECT_EQ(here.names(), std::vector<std::string>{"image"});
  EXPECT_EQ(contents_of(path), "whole");
}

TEST_F(TemplateSink, NextStreamReplacesPreviousFile) {
  EXPECT_EQ(file.stream("first"), 0);
  EXPECT_EQ(file.stream("second"), 0);
  EXPECT_EQ(contents_of(path), "second");
}

TEST_F(TemplateSink, ZeroesBecomeHole) {
  ASSERT_EQ(file.open(), 0);
  ASSERT_EQ(file.send("x"), 0);
  ASSERT_EQ(file.zero(1 << 20), 1 << 20);
  ASSERT_EQ(file.commit((1 << 20) + 1), 0);
  EXPECT_TRUE(contents_of(path) == "x" + std::string(1 << 20, '\0'));
  EXPECT_LT(status_of(path).st_blocks * 512, 1 << 20);
}

TEST_F(TemplateSink, ExistingPartFileIsNeitherUsedNorRemoved) {
  create_file(path + ".part", "theirs");
  EXPECT_EQ(file.open(), -EEXIST);
  EXPECT_NE(file.explanation().find("image.part"), std::string::npos);
  EXPECT_EQ(contents_of(path + ".part"), "theirs");
}

}  // namespace
}  // namespace sink_tests
