// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/status_layout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <utility>

namespace nbdstream::protocol {
namespace {

constexpr std::uint32_t data = 0;
constexpr std::uint32_t zero = allocation_state::zero;
constexpr std::uint32_t hole = allocation_state::hole | zero;

using extents = std::vector<status_extent>;
using pieces = std::vector<std::pair<std::uint64_t, std::uint32_t>>;

extents told(std::uint64_t begin, std::uint64_t end, const pieces& of, std::size_t most = 100) {
  status_layout layout(begin, end, most);
  for (const auto& [until, flags] : of) {
    if (layout.complete()) break;
    layout.add(until, flags);
  }
  return layout.take();
}

TEST(StatusLayout, TellsWholeSectorsAsTheyAre) {
  EXPECT_EQ(told(0, 4096, {{512, data}, {1024, zero}, {4096, hole}}),
            (extents{{512, data}, {512, zero}, {3072, hole}}));
}

TEST(StatusLayout, TakesASectorWithAByteOfDataForData) {
  EXPECT_EQ(told(0, 4096, {{1000, hole}, {1001, data}, {4096, hole}}),
            (extents{{512, hole}, {512, data}, {3072, hole}}));
  EXPECT_EQ(told(0, 4096, {{1024, hole}, {1025, data}, {4096, hole}}),
            (extents{{1024, hole}, {512, data}, {2560, hole}}));
}

TEST(StatusLayout, TakesASectorOfAHoleAndZeroesForZeroes) {
  EXPECT_EQ(told(0, 2048, {{700, hole}, {2048, zero}}), (extents{{512, hole}, {1536, zero}}));
}

TEST(StatusLayout, TellsZeroesUpToTheEndsOfTheRequest) {
  EXPECT_EQ(told(100, 1100, {{1100, hole}}), (extents{{1000, hole}}));
  EXPECT_EQ(told(100, 1100, {{600, data}, {1100, hole}}), (extents{{924, data}, {76, hole}}));
  EXPECT_EQ(told(100, 110, {{105, zero}, {110, hole}}), (extents{{10, zero}}));
}

TEST(StatusLayout, TellsAsManyExtentsAsItMay) {
  const pieces many{{1000, hole}, {1001, data}, {4096, hole}, {8192, zero}};
  EXPECT_EQ(told(0, 8192, many, 1), (extents{{512, hole}}));
  EXPECT_EQ(told(0, 8192, many, 2), (extents{{512, hole}, {512, data}}));
  EXPECT_EQ(told(512, 8192, many, 1), (extents{{512, data}}));
}

TEST(StatusLayout, TellsWholeSectorsOfWhatIsKnown) {
  EXPECT_EQ(told(0, 8192, {{1000, hole}}), (extents{{512, hole}}));
  EXPECT_EQ(told(0, 8192, {{100, hole}}), (extents{{100, data}})) << "the rest is not known";
}

TEST(StatusLayout, NeverTakesDataForZeroesNorASectorOfZeroesForData) {
  constexpr std::size_t size = 8000;
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    pieces all;
    std::string disk;
    while (disk.size() < size) {
      const std::uint32_t flags = std::to_array({data, zero, hole})[random() % 3];
      disk.append(1 + random() % (random() % 2 ? 5U : 3000U), flags == data ? 'd' : '0');
      disk.resize(std::min(disk.size(), size));
      all.emplace_back(disk.size(), flags);
    }
    std::size_t at = 0;
    for (const auto& e : told(0, size, all)) {
      ASSERT_TRUE(e.length > 0);
      ASSERT_EQ(at % 512, 0u);
      const auto piece = std::string_view(disk).substr(at, e.length);
      if (e.flags != data) {
        EXPECT_EQ(piece.find('d'), piece.npos);
      }
      for (std::size_t i = 0; e.flags == data && i < piece.size(); i += 512) {
        EXPECT_NE(piece.substr(i, 512).find('d'), piece.npos);
      }
      at += e.length;
    }
    EXPECT_EQ(at, size);
  }
}

}  // namespace
}  // namespace nbdstream::protocol
