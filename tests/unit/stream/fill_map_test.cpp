// SPDX-License-Identifier: BSD-3-Clause
#include "stream/fill_map.hpp"

#include "stream/sequencer.hpp"

#include <gtest/gtest.h>

namespace nbdstream::stream {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

TEST(FillMap, ShowsOfADiskWhatWasSentAndWhatWasNot) {
  fill_map map(256 * mebibyte);
  map.add_data(0, 2 * mebibyte);
  map.add_zeroes(2 * mebibyte, 3 * mebibyte + 1);
  const auto seen = map.paint({});
  EXPECT_EQ(seen.cell_bytes, mebibyte);
  EXPECT_EQ(seen.cells, "##00" + std::string(252, '.'));
}

TEST(FillMap, ShowsDataInACellThatAlsoHasZeroes) {
  fill_map map(256 * mebibyte);
  map.add_data(10, 20);
  map.add_zeroes(0, 10);
  map.add_zeroes(mebibyte, mebibyte);
  EXPECT_EQ(map.paint({}).cells.substr(0, 3), "#..");
}

TEST(FillMap, PaintsWhatIsHeldOverWhatWasSent) {
  fill_map map(256 * mebibyte);
  map.add_data(0, mebibyte);
  window memory(mebibyte);
  extents held;
  held.assign({mebibyte / 2, mebibyte, content::spill});
  held.assign({2 * mebibyte, 3 * mebibyte, content::zeroes});
  held.assign({4 * mebibyte, 4 * mebibyte + 5, content::memory, memory.allocate(4 * mebibyte, 5)});
  EXPECT_EQ(map.paint(held).cells.substr(0, 6), "s.0.m.");
}

TEST(FillMap, HasNoMoreCellsThanFitWhateverTheSize) {
  for (const std::uint64_t size : {std::uint64_t{1}, mebibyte + 1, std::uint64_t{1} << 62}) {
    fill_map map(size);
    map.add_data(0, size);
    const auto seen = map.paint({});
    EXPECT_LE(seen.cells.size(), fill_map::most_cells);
    EXPECT_EQ(seen.cells, std::string(seen.cells.size(), '#'));
    EXPECT_GE(seen.cells.size() * seen.cell_bytes, size);
    EXPECT_LT((seen.cells.size() - 1) * seen.cell_bytes, size);
  }
  EXPECT_EQ(fill_map(0).paint({}).cells, "");
}

TEST(FillMap, GrowsWithAStreamOfUnknownLength) {
  fill_map map({});
  EXPECT_EQ(map.paint({}).cells, "");
  map.add_data(0, 4096);
  EXPECT_EQ(map.paint({}).cells, "#");
  map.add_zeroes(4096, 100 * mebibyte);
  map.add_data(100 * mebibyte, 300 * mebibyte);
  const auto seen = map.paint({});
  EXPECT_EQ(seen.cell_bytes, 2 * mebibyte);
  EXPECT_EQ(seen.cells, "#" + std::string(49, '0') + std::string(100, '#'));
  extents held;
  held.assign({600 * mebibyte, 601 * mebibyte, content::spill});
  const auto wider = map.paint(held);
  EXPECT_EQ(wider.cell_bytes, 4 * mebibyte);
  EXPECT_EQ(wider.cells.size(), 151U);
  EXPECT_EQ(wider.cells.back(), 's');
}

TEST(FillMap, OfASequencerShowsEachByteWhereItIs) {
  sequencer::limits limits;
  limits.size = 256 * mebibyte;
  limits.mode = order::spill;
  limits.window = 2 * mebibyte;
  sequencer order(limits);
  (void)order.write(0, mebibyte);
  (void)order.write_zeroes(mebibyte, mebibyte);
  const auto memory = order.write(4 * mebibyte, mebibyte);
  order.payload_arrived(*memory);
  const auto spilled = order.write(6 * mebibyte, 2 * mebibyte);
  order.payload_arrived(*spilled);
  EXPECT_EQ(order.paint().cells.substr(0, 9), "#0..m.ss.");
  EXPECT_EQ(order.done(), mebibyte);
  (void)order.write(2 * mebibyte, 2 * mebibyte);
  while (order.next()) continue;
  EXPECT_EQ(order.paint().cells.substr(0, 9), "#0###.ss.");
  order.finish(true);
  while (order.next()) continue;
  EXPECT_EQ(order.paint().cells, "#0###0##" + std::string(248, '0'));
  EXPECT_EQ(order.done(), 256 * mebibyte);
}

}  // namespace
}  // namespace nbdstream::stream
