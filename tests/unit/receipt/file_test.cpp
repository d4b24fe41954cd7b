// SPDX-License-Identifier: BSD-3-Clause
#include "receipt/file.hpp"
#include "receipt/path.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace nbdstream::receipt {
namespace {

struct ReceiptFile : ::testing::Test {
  test::temp_directory directory;
  std::filesystem::path at = directory / "r.json";
  std::filesystem::path partial = directory / "r.json.partial";
  file it{at.string()};

  static std::string read(const std::filesystem::path& name) {
    std::ifstream in(name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void put(const std::filesystem::path& name) {
    std::ofstream(name) << R"({"nbdstream_receipt": "older"})";
  }
};

TEST_F(ReceiptFile, HasItsNameOnlyWhenItIsFinished) {
  EXPECT_EQ(it.prepare("before"), 0);
  EXPECT_FALSE(std::filesystem::exists(at));
  EXPECT_TRUE(read(partial).starts_with("before"));
  EXPECT_EQ(it.finish("after, and longer"), 0);
  EXPECT_EQ(read(at), "after, and longer");
  EXPECT_FALSE(std::filesystem::exists(partial));
}

TEST_F(ReceiptFile, HasRoomBeforeTheCommitForWhatComesAfterIt) {
  EXPECT_EQ(it.prepare("{}"), 0);
  EXPECT_GE(std::filesystem::file_size(partial), 16'000u);
}

TEST_F(ReceiptFile, LeavesNothingWhenItIsDropped) {
  EXPECT_EQ(it.prepare("x"), 0);
  it.drop();
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST_F(ReceiptFile, LeavesNothingOfACallThatNobodyWaitsFor) {
  it.abandon();
  EXPECT_EQ(it.prepare("x"), -ECANCELED);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST_F(ReceiptFile, ClearsWhatIsOlder) {
  put(at);
  put(partial);
  bool found = false;
  EXPECT_EQ(it.clear(found), 0);
  EXPECT_TRUE(found);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_EQ(it.clear(found), 0);
  EXPECT_FALSE(found);
}

TEST_F(ReceiptFile, OfAnotherWriterIsBusy) {
  file other(at.string());
  EXPECT_EQ(other.prepare("x"), 0);
  bool found = false;
  EXPECT_EQ(it.clear(found), -EBUSY);
  EXPECT_EQ(it.prepare("y"), -EBUSY);
  it.drop();
  EXPECT_TRUE(read(partial).starts_with("x"));
}

TEST_F(ReceiptFile, FollowsNoLinkThatSomebodyPlanted) {
  put(directory / "victim");
  std::filesystem::create_symlink(directory / "victim", partial);
  EXPECT_LT(it.prepare("x"), 0);
  EXPECT_EQ(read(directory / "victim"), R"({"nbdstream_receipt": "older"})");
}

TEST(ReceiptPath, CountsTheStreams) {
  EXPECT_EQ(path_of("a/r.json", 7), "a/r.json");
  EXPECT_EQ(path_of("a/r-%n-100%%.json", 7), "a/r-7-100%.json");
  EXPECT_THROW((void)path_of("r%x", 7), config::error);
  EXPECT_THROW((void)path_of("r%", 7), config::error);
}

}  // namespace
}  // namespace nbdstream::receipt
