// SPDX-License-Identifier: BSD-3-Clause
#include "stream/fill_map.hpp"

#include "sequencer_support.hpp"

namespace nbdstream::stream {
namespace {

TEST(FillMap, ShowsSentDataZeroesAndUnsentCells) {
  fill_map map(256 * mib);
  map.add_data(0, 2 * mib);
  map.add_zeroes(2 * mib, 3 * mib + 1);
  const auto seen = map.paint({});
  EXPECT_EQ(seen.cell_bytes, mib);
  EXPECT_EQ(seen.cells, "##00" + std::string(252, '.'));
}

TEST(FillMap, ShowsDataInACellThatAlsoHasZeroes) {
  fill_map map(256 * mib);
  map.add_data(10, 20);
  map.add_zeroes(0, 10);
  map.add_zeroes(mib, mib);
  EXPECT_EQ(map.paint({}).cells.substr(0, 3), "#..");
}

TEST(FillMap, ShowsHeldExtentsOverSentCells) {
  fill_map map(256 * mib);
  map.add_data(0, mib);
  window memory(mib);
  extents held;
  held.assign({mib / 2, mib, content::spill});
  held.assign({2 * mib, 3 * mib, content::zeroes});
  held.assign({4 * mib, 4 * mib + 5, content::memory, memory.allocate(4 * mib, 5)});
  EXPECT_EQ(map.paint(held).cells.substr(0, 6), "s.0.m.");
}

TEST(FillMap, NumberOfCellsIsBoundedForAnySize) {
  for (const std::uint64_t size : {std::uint64_t{1}, mib + 1, std::uint64_t{1} << 62}) {
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
  map.add_zeroes(4096, 100 * mib);
  map.add_data(100 * mib, 300 * mib);
  const auto seen = map.paint({});
  EXPECT_EQ(seen.cell_bytes, 2 * mib);
  EXPECT_EQ(seen.cells, "#" + std::string(49, '0') + std::string(100, '#'));
  extents held;
  held.assign({600 * mib, 601 * mib, content::spill});
  const auto wider = map.paint(held);
  EXPECT_EQ(wider.cell_bytes, 4 * mib);
  EXPECT_EQ(wider.cells.size(), 151U);
  EXPECT_EQ(wider.cells.back(), 's');
}

TEST(FillMap, FollowsASequencerFromHeldToSent) {
  sequencer::limits limits;
  limits.size = 256 * mib;
  limits.mode = order::spill;
  limits.window = 2 * mib;
  sequencer order(limits);
  (void)order.write(0, mib);
  (void)order.write_zeroes(mib, mib);
  const auto memory = order.write(4 * mib, mib);
  order.payload_arrived(*memory);
  const auto spilled = order.write(6 * mib, 2 * mib);
  order.payload_arrived(*spilled);
  EXPECT_EQ(order.paint().cells.substr(0, 9), "#0..m.ss.");
  EXPECT_EQ(order.done(), mib);
  (void)order.write(2 * mib, 2 * mib);
  while (order.next()) continue;
  EXPECT_EQ(order.paint().cells.substr(0, 9), "#0###.ss.");
  order.finish(true);
  while (order.next()) continue;
  EXPECT_EQ(order.paint().cells, "#0###0##" + std::string(248, '0'));
  EXPECT_EQ(order.done(), 256 * mib);
}

}  // namespace
}  // namespace nbdstream::stream
