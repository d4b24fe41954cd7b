// SPDX-License-Identifier: BSD-3-Clause
#include "restore/extent_index.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace nbdstream::restore {
namespace {

class ExtentIndex : public ::testing::Test {
 protected:
  void zeroes(std::uint64_t begin, std::uint64_t end) { index.assign({begin, end}); }
  void data(std::uint64_t begin, std::uint64_t end, std::size_t input, std::uint64_t at) {
    index.assign({begin, end, origin{input, at}});
  }
  /// Such as "z0-10 1@500:10-20".
  [[nodiscard]] std::string all() const {
    std::string text;
    std::uint64_t at = 0;
    while (const auto e = index.at_or_after(at)) {
      if (!text.empty()) text += ' ';
      text += e->data ? std::to_string(e->data->input) + "@" + std::to_string(e->data->at) + ":"
                      : std::string("z");
      text += std::to_string(e->begin) + "-" + std::to_string(e->end);
      at = e->end;
    }
    return text;
  }

  extent_index index;
};

TEST_F(ExtentIndex, IsEmptyAtFirst) {
  EXPECT_FALSE(index.at_or_after(0));
  EXPECT_EQ(index.named_bytes(), 0u);
}

TEST_F(ExtentIndex, GivesTheLastRecordItsBytes) {
  data(0, 100, 0, 1000);
  zeroes(40, 60);
  data(50, 55, 1, 7);
  EXPECT_EQ(all(), "0@1000:0-40 z40-50 1@7:50-55 z55-60 0@1060:60-100");
  EXPECT_EQ(index.named_bytes(), 100u);
  data(0, 100, 2, 0);
  EXPECT_EQ(all(), "2@0:0-100");
}

TEST_F(ExtentIndex, MakesOneOfWhatGoesOn) {
  data(0, 10, 0, 100);
  data(20, 30, 0, 120);
  data(10, 20, 0, 110);
  EXPECT_EQ(all(), "0@100:0-30");
  data(30, 40, 0, 131);
  data(40, 50, 1, 141);
  EXPECT_EQ(all(), "0@100:0-30 0@131:30-40 1@141:40-50");
  zeroes(60, 70);
  zeroes(50, 60);
  EXPECT_EQ(all(), "0@100:0-30 0@131:30-40 1@141:40-50 z50-70");
}

TEST_F(ExtentIndex, IgnoresWhatHasNoLength) {
  zeroes(5, 5);
  EXPECT_EQ(index.size(), 0u);
}

TEST_F(ExtentIndex, CostsTheSameForAnyLength) {
  zeroes(0, std::uint64_t{1} << 62);
  data(1, (std::uint64_t{1} << 62) - 1, 0, 0);
  EXPECT_EQ(index.size(), 3u);
}

TEST_F(ExtentIndex, IsWhatAnArrayWouldBe) {
  constexpr std::uint64_t size = 200;
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    index.clear();
    std::vector<std::optional<std::optional<origin>>> plain(size);
    for (int i = 0; i < 30; ++i) {
      const std::uint64_t begin = random() % size;
      const std::uint64_t end = std::min<std::uint64_t>(size, begin + random() % 40);
      extent_index::extent e{begin, end};
      // Contiguous with one another every now and then.
      if (random() % 2 == 0) e.data = origin{random() % 2, begin + random() % 2};
      index.assign(e);
      for (auto at = begin; at < end; ++at) {
        plain[at].emplace(e.data);
        if (e.data) plain[at] = origin{e.data->input, e.data->at + (at - begin)};
      }
    }
    std::uint64_t named = 0;
    for (std::uint64_t at = 0; at < size; ++at) {
      const auto e = index.at_or_after(at);
      const bool is_named = e && e->begin <= at;
      ASSERT_EQ(is_named, plain[at].has_value()) << at;
      if (!is_named) continue;
      ++named;
      ASSERT_EQ(e->data.has_value(), plain[at]->has_value()) << at;
      if (e->data) {
        ASSERT_EQ(e->data->input, (*plain[at])->input);
        ASSERT_EQ(e->data->at + (at - e->begin), (*plain[at])->at);
      }
    }
    ASSERT_EQ(index.named_bytes(), named);
  }
}

}  // namespace
}  // namespace nbdstream::restore
