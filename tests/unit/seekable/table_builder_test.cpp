// SPDX-License-Identifier: BSD-3-Clause
#include "seekable/table_builder.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace nbdstream::seekable {
namespace {

std::vector<std::uint8_t> taken_in_pieces_of(std::size_t size, table_builder table) {
  std::vector<std::uint8_t> all;
  std::vector<std::byte> piece(size);
  while (const auto n = table.take(piece)) {
    for (const auto b : std::span(piece).first(n)) all.push_back(std::to_integer<std::uint8_t>(b));
  }
  return all;
}

TEST(TableBuilder, MakesWhatTheDescriptionOfTheFormatSays) {
  table_builder table;
  table.add(0x0102);
  table.add(3, 2);
  table.last_is_short(5);
  EXPECT_EQ(table.frames(), 3u);
  const std::vector<std::uint8_t> expected{
      0x5e, 0x2a, 0x4d, 0x18, 3 * 8 + 9, 0,    0,    0,                   // the skippable frame
      0x02, 0x01, 0,    0,    0,         0,    0x40, 0,    3,   0, 0, 0,  // entries
      0,    0,    0x40, 0,    3,         0,    0,    0,    5,   0, 0, 0,  //
      3,    0,    0,    0,    0,         0xb1, 0xea, 0x92, 0x8f};         // footer
  EXPECT_EQ(taken_in_pieces_of(4096, table), expected);
}

TEST(TableBuilder, OfNothingHasAFooter) {
  const std::vector<std::uint8_t> expected{0x5e, 0x2a, 0x4d, 0x18, 9,    0,    0,    0,   0,
                                           0,    0,    0,    0,    0xb1, 0xea, 0x92, 0x8f};
  EXPECT_EQ(taken_in_pieces_of(64, {}), expected);
}

TEST(TableBuilder, GivesTheSameInPiecesOfAnySize) {
  table_builder table;
  for (std::uint32_t i = 0; i < 1000; ++i) table.add(i / 3, 1 + i % 4);
  table.last_is_short(77);
  const auto at_once = taken_in_pieces_of(1 << 20, table);
  EXPECT_EQ(at_once.size(), 17 + std::size_t{8} * table.frames());
  for (const std::size_t size : {64, 65, 100, 4095}) {
    EXPECT_EQ(taken_in_pieces_of(size, table), at_once) << size;
  }
}

TEST(TableBuilder, CountsTheEntriesOfTheLongestStream) {
  table_builder table;
  table.add(150, most_frames);
  std::array<std::byte, 64> piece{};
  ASSERT_EQ(table.take(piece), 64u);
  EXPECT_EQ(std::to_integer<int>(piece[7]), 0x40);  // 2^30 bytes of entries, and the footer
}

}  // namespace
}  // namespace nbdstream::seekable
