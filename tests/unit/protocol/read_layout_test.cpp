// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/read_layout.hpp"

#include <gtest/gtest.h>

namespace nbdstream::protocol {
namespace {

using chunk = read_layout::chunk;
using chunks = std::vector<chunk>;

constexpr std::uint64_t kib = 1024;

TEST(ReadLayout, WithoutZeroesIsOneChunkOfData) {
  const read_layout l(100, 200);
  EXPECT_EQ(l.chunks(false), (chunks{{100, 200, false}}));
}

TEST(ReadLayout, OfNothingButZeroesIsOneHoleHoweverSmall) {
  read_layout l(100, 200);
  l.zeroes(100, 150);
  l.zeroes(150, 200);
  EXPECT_EQ(l.chunks(false), (chunks{{100, 200, true}}));
  EXPECT_EQ(l.chunks(true), (chunks{{100, 200, true}}));
}

TEST(ReadLayout, HasHolesWhereTheyAreLargeEnough) {
  read_layout l(0, 64 * kib);
  l.zeroes(0, 4 * kib);
  l.zeroes(8 * kib, 12 * kib - 512);  // too small
  l.zeroes(32 * kib, 48 * kib);
  l.zeroes(60 * kib, 64 * kib);
  EXPECT_EQ(l.chunks(false), (chunks{{0, 4 * kib, true},
                                     {4 * kib, 32 * kib, false},
                                     {32 * kib, 48 * kib, true},
                                     {48 * kib, 60 * kib, false},
                                     {60 * kib, 64 * kib, true}}));
}

TEST(ReadLayout, HasHolesOfWholeSectorsButForItsEnds) {
  read_layout l(1, 32 * kib + 1);
  l.zeroes(1, 5 * kib + 1);
  l.zeroes(8 * kib - 1, 14 * kib + 1);
  l.zeroes(20 * kib + 5, 32 * kib + 1);
  EXPECT_EQ(l.chunks(false), (chunks{{1, 5 * kib, true},
                                     {5 * kib, 8 * kib, false},
                                     {8 * kib, 14 * kib, true},
                                     {14 * kib, 20 * kib + 512, false},
                                     {20 * kib + 512, 32 * kib + 1, true}}));
}

TEST(ReadLayout, TakesZeroesThatTouchAsOne) {
  read_layout l(0, 64 * kib);
  for (std::uint64_t at = 8 * kib; at < 16 * kib; at += 512) l.zeroes(at, at + 512);
  EXPECT_EQ(l.chunks(false),
            (chunks{{0, 8 * kib, false}, {8 * kib, 16 * kib, true}, {16 * kib, 64 * kib, false}}));
}

TEST(ReadLayout, IsOneChunkOfDataWhereItMustNotBeCut) {
  read_layout l(0, 64 * kib);
  l.zeroes(8 * kib, 60 * kib);
  EXPECT_EQ(l.chunks(true), (chunks{{0, 64 * kib, false}}));
}

TEST(ReadLayout, HasFewChunksHoweverManyPiecesOfZeroesThereAre) {
  read_layout l(0, 32 * kib * kib);
  for (std::uint64_t at = 0; at < 32 * kib * kib; at += 512) l.zeroes(at, at + 511);
  EXPECT_EQ(l.chunks(false).size(), 1u);
  read_layout worst(0, 32 * kib * kib);
  for (std::uint64_t at = 0; at < 32 * kib * kib; at += 4608) worst.zeroes(at, at + 4096);
  EXPECT_LE(worst.chunks(false).size(), std::size_t{1} << 14);
}

}  // namespace
}  // namespace nbdstream::protocol
