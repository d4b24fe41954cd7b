// SPDX-License-Identifier: BSD-3-Clause
//
// Facts about every module, and about the modules that other tests rely on.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "host.hpp"
#include "surroundings.hpp"

namespace sink_tests {
namespace {

std::string exported_by(const std::string& module) {
  const directory here;
  process nm = process::running({"sh", "-c", "exec \"$0\" -D --defined-only -j \"$1\" > \"$2\"",
                                 NM_PROGRAM, module, here / "symbols"});
  EXPECT_EQ(nm.wait(), 0);
  return contents_of(here / "symbols");
}

/// Every module that is built into the directory of sinks.
std::vector<std::string> in_tree_sinks() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(SINK_DIRECTORY))
    names.push_back(entry.path().stem().string());
  EXPECT_GE(names.size(), 6U);
  return names;
}

TEST(BuiltInModules, ExportOnlyEntryPoints) {
  for (const auto& name : in_tree_sinks()) {
    const std::string source = name == "s3" ? "nbdstream_source_v1\n" : "";
    EXPECT_EQ(exported_by(in_tree_sink(name)), "nbdstream_sink_v1\n" + source) << name;
  }
}

TEST(BuiltInModules, HaveCompleteTable) {
  for (const auto& name : in_tree_sinks()) {
    const auto file = in_tree_sink(name);
    const nbdstream_sink_table& table = load(file);
    EXPECT_EQ(table.struct_size, sizeof table);
    EXPECT_EQ(table.option_size, sizeof(nbdstream_option));
    EXPECT_EQ(table.name, name);
    EXPECT_TRUE(table.create && table.destroy && table.open && table.commit && table.abort);
    EXPECT_TRUE(table.write || table.native_fd);
    EXPECT_TRUE(table.wait_for || table.blocking != 0);
  }
}

TEST(BrokenModules, HaveFaultOfTheirName) {
  EXPECT_EQ(exported_by(test_module("wrong_major")), "nbdstream_sink_v2\n");
  EXPECT_EQ(exported_by(test_module("no_entry")), "nothing_that_the_host_looks_for\n");
  EXPECT_EQ(load(test_module("missing_callback")).open, nullptr);
  EXPECT_EQ(load(test_module("short_table")).struct_size, 16U);
}

struct RecorderModule : ::testing::Test {
  directory here;
  const std::string data = here / "data";
  const std::string log = here / "log";

  [[nodiscard]] settings with(settings more) const {
    more.insert({{"path", data}, {"log", log}});
    return more;
  }
};

TEST_F(RecorderModule, RecordsDataAndEvents) {
  {
    sink recorder(test_module("recorder"), with({}));
    EXPECT_EQ(recorder.stream("hello"), 0);
    EXPECT_EQ(recorder.open(), 0);
    EXPECT_EQ(recorder.abort(), 0);
  }
  EXPECT_EQ(contents_of(data), "hello");
  EXPECT_EQ(contents_of(log), "create\nopen 1\ncommit 5\nopen 2\nabort\ndestroy\n");
}

TEST_F(RecorderModule, GetsAllBytesDespiteEagainAndShortWrites) {
  sink recorder(test_module("recorder"), with({{"again-every", "2"}, {"short-writes", "true"}}));
  EXPECT_EQ(recorder.stream(pattern(1000)), 0);
  EXPECT_TRUE(contents_of(data) == pattern(1000));
}

TEST_F(RecorderModule, FailsWhereItsSettingsSay) {
  sink opening(test_module("recorder"), with({{"fail-open", "true"}}));
  EXPECT_EQ(opening.open(), -EIO);
  sink writing(test_module("recorder"), with({{"fail-write-after", "3"}}));
  EXPECT_EQ(writing.stream("hello"), -EIO);
  EXPECT_EQ(contents_of(data), "hel");
  sink committing(test_module("recorder"), with({{"fail-commit", "true"}}));
  EXPECT_EQ(committing.stream("lo"), -EIO);
}

TEST(SlowModule, WriteCanBeInterrupted) {
  sink slow(test_module("slow"), {{"delay", "60s"}});
  ASSERT_EQ(slow.open(), 0);
  std::thread other([&slow] { slow.interrupt(); });
  EXPECT_EQ(slow.write("x"), -EINTR);
  other.join();
  EXPECT_EQ(slow.abort(), 0);
}

TEST(SlowModule, StreamTakesTheDelay) {
  const auto start = std::chrono::steady_clock::now();
  sink slow(test_module("slow"), {{"delay", "30ms"}});
  EXPECT_EQ(slow.stream("x"), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(30));
}

TEST(StubbornModule, WriteNeverReturnsDespiteInterrupts) {
  const directory here;
  process child([&here] {
    sink stubborn(test_module("stubborn"), {{"log", here / "log"}});
    if (stubborn.open() != 0) return 1;
    std::thread other([&] {
      while (contents_of(here / "log").find("write 1\n") == std::string::npos)
        std::this_thread::yield();
      for (int i = 0; i < 3; ++i) stubborn.interrupt();
      ::_exit(0);
    });
    (void)stubborn.write("x");
    ::_exit(2);
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace sink_tests
