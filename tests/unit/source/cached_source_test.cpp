// SPDX-License-Identifier: BSD-3-Clause
#include "source/cached_source.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nbdstream::source {
namespace {

/// Bytes that tell where they stand; and what was read of them.
class fake_source final : public source {
 public:
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t size() const noexcept override { return 1050; }
  [[nodiscard]] failure read(std::uint64_t offset, std::span<std::byte> into) override {
    reads.emplace_back(offset, into.size());
    if (fails) return {EIO, "it fails"};
    std::ranges::generate(into, [&] { return static_cast<std::byte>(offset++ % 251); });
    return {};
  }
  [[nodiscard]] failure look(std::uint64_t, std::uint64_t until, extent& found) override {
    found = {until, content::data};
    return {};
  }

  std::vector<std::pair<std::uint64_t, std::size_t>> reads;
  bool fails = false;

 private:
  std::string name_ = "fake";
};

class CachedSource : public ::testing::Test {
 protected:
  void expect_read(std::uint64_t offset, std::size_t count) {
    std::vector<std::byte> into(count);
    const auto failed = cached_.read(offset, into);
    EXPECT_FALSE(failed) << failed.why;
    for (const auto byte : into) ASSERT_EQ(byte, static_cast<std::byte>(offset++ % 251));
  }
  using reads = std::vector<std::pair<std::uint64_t, std::size_t>>;

  std::shared_ptr<fake_source> from_ = std::make_shared<fake_source>();
  cached_source cached_{from_, 100, std::make_shared<frame_cache>(64, 1 << 20)};
};

TEST_F(CachedSource, ReadsABlockOnceForManyShortReads) {
  for (std::uint64_t at = 200; at < 300; at += 10) expect_read(at, 10);
  EXPECT_EQ(from_->reads, (reads{{200, 100}}));
}

TEST_F(CachedSource, ReadsAcrossTheEdgesOfBlocks) {
  expect_read(195, 99);
  EXPECT_EQ(from_->reads, (reads{{100, 100}, {200, 100}}));
}

TEST_F(CachedSource, ReadsTheShortBlockAtTheEnd) {
  expect_read(1000, 50);
  EXPECT_EQ(from_->reads, (reads{{1000, 50}}));
}

TEST_F(CachedSource, PassesALongReadOn) {
  expect_read(33, 700);
  EXPECT_EQ(from_->reads, (reads{{33, 700}}));
}

TEST_F(CachedSource, PassesAFailureOnAndTriesAgain) {
  std::vector<std::byte> into(10);
  from_->fails = true;
  EXPECT_EQ(cached_.read(0, into).why, "it fails");
  from_->fails = false;
  expect_read(0, 10);
}

}  // namespace
}  // namespace nbdstream::source
