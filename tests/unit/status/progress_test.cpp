// SPDX-License-Identifier: BSD-3-Clause
#include "status/progress.hpp"

#include "examples.hpp"
#include "status/columns.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace nbdstream::status {
namespace {

constexpr std::uint64_t MiB = 1 << 20;

/// Half of 4 GiB, of which a quarter was zeroes.
exported half_done(std::string name = "vm1") {
  exported e = streaming_export(std::move(name));
  e.size = 4096 * MiB;
  e.streams = 1;
  e.committed = e.aborted = 0;
  e.recent.clear();
  e.current->done = 2048 * MiB;
  e.current->total = e.size;
  e.current->count = {.sent = 2048 * MiB, .payload = 1536 * MiB, .zeroes = 512 * MiB};
  e.current->held_memory = 32 * MiB;
  e.current->held_spill = 1536 * MiB;
  e.speed = {.now = 230.0 * MiB, .average = 210.0 * MiB, .remaining = seconds(9.3), .history = {}};
  return e;
}

std::string line(const exported& e, std::size_t columns) {
  return progress_lines(example({e}), {.columns = columns}, false).at(0);
}

/// One export in each state, and each way in which one can have ended.
std::vector<exported> all_states() {
  std::vector<exported> all{idle_export(), ended_export(), half_done()};
  for (int i = 0; i <= static_cast<int>(state::ended); ++i) {
    for (auto e : {idle_export("odd \xff\x1b[2J\xe6\xbc\xa2\xe5\xad\x97"), half_done("")}) {
      e.now = static_cast<state>(i);
      all.push_back(e);
    }
  }
  all.push_back(streaming_export(std::string(4096, 'n')));
  all.back().current.reset();
  all.back().now = state::waiting_for_client;
  return all;
}

TEST(ProgressLine, SaysEverythingWhereThereIsRoom) {
  EXPECT_EQ(line(half_done(), 200),
            "vm1: streaming 50 %, 2.0 GiB of 4.0 GiB, 230.0 MiB/s (average 210.0 MiB/s), "
            "0:10 left, 25 % zero, 32.0 MiB held, 1.5 GiB spilled, 65 B acknowledged");
}

TEST(ProgressLine, LeavesTheLeastImportantOut) {
  EXPECT_EQ(line(half_done(), 80),
            "vm1: streaming 50 %, 2.0 GiB of 4.0 GiB, 230.0 MiB/s, 0:10 left, 25 % zero");
  EXPECT_EQ(line(half_done(), 42), "vm1: streaming 50 %, 2.0 GiB, 0:10 left");
  EXPECT_EQ(line(half_done(), 40), "vm1: streaming 50 %, 2.0 GiB");
  EXPECT_EQ(line(half_done(), 20), "vm1: streaming 50 %");
}

TEST(ProgressLine, KeepsTheBytesWhereThereIsNoShare) {
  auto e = half_done("");
  e.size = e.current->total = std::nullopt;
  e.speed.remaining.reset();
  EXPECT_EQ(line(e, 24), "streaming 2.0 GiB");
}

TEST(ProgressLine, ShortensTheStateForTheShare) {
  auto e = half_done("");
  e.now = state::waiting_for_gap;
  EXPECT_EQ(line(e, 40), "waiting for a gap to be filled 50 %");
  EXPECT_EQ(line(e, 31), "gap 50 %, 2.0 GiB, 0:10 left");
}

TEST(ProgressLine, IsNeverAsWideAsTheScreen) {
  for (const auto& e : all_states()) {
    for (std::size_t columns = 1; columns < 250; ++columns) {
      EXPECT_LT(columns_of(line(e, columns)), columns) << line(e, columns);
    }
  }
}

TEST(ProgressLine, HasOnlyPrintableCharacters) {
  for (const auto& e : all_states()) {
    for (const char c : line(e, 120)) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    EXPECT_EQ(line(e, 120).find('\xff'), std::string::npos);
  }
}

TEST(ProgressLine, SaysHowTheLastStreamEnded) {
  auto e = ended_export("");
  e.recent.back().count.sent = 4096 * MiB;
  EXPECT_EQ(line(e, 80), "committed 4.0 GiB in 0:01");
  e.recent.back().committed = false;
  EXPECT_EQ(line(e, 80), "aborted 4.0 GiB in 0:01");
  e.now = state::waiting_for_client;
  EXPECT_EQ(line(e, 80), "waiting for a client (the last aborted: 4.0 GiB in 0:01)");
}

TEST(ProgressLine, IsColouredWithoutBeingWider) {
  for (const auto& e : all_states()) {
    const auto plain = line(e, 40);
    auto coloured = progress_lines(example({e}), {.columns = 40}, true).at(0);
    for (std::size_t at; (at = coloured.find('\x1b')) != coloured.npos;) {
      coloured.erase(at, coloured.find('m', at) + 1 - at);
    }
    EXPECT_EQ(coloured, plain);
  }
}

TEST(ProgressLines, StandOneForEachExportWithTheOpenStreamsFirst) {
  EXPECT_EQ(progress_lines(example({idle_export("a"), half_done("long"), ended_export("c")}),
                           {.columns = 25}, false),
            (std::vector<std::string>{"long: streaming 50 %", "a:    no client",
                                      "c:    committed 11 B"}));
}

TEST(ProgressLines, LeaveARowFreeAndCountThoseThatAreNotShown) {
  const std::vector<exported> six(6, idle_export("x"));
  EXPECT_EQ(progress_lines(example(six), {.rows = 7}, false).size(), 6U);
  const auto lines = progress_lines(example(six), {.rows = 6}, false);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines.back(), "and 2 more");
  EXPECT_EQ(progress_lines(example(six), {.rows = 1}, false),
            std::vector<std::string>{"and 6 more"});
}

TEST(ProgressText, HasExactNumbers) {
  EXPECT_EQ(progress_text(streaming_export()),
            "export \"vm1\": streaming, 25 %, 1005 of 4000 bytes, 200 B/s (average 122 B/s), "
            "0:19 left; 1001 bytes sent, compressed to 406, 303 zero, 61 held in memory, 63 in the "
            "spill file, 65 acknowledged");
  EXPECT_EQ(progress_text(ended_export("")),
            "committed; 1 streams committed, 0 aborted, 21 bytes sent");
}

TEST(ProgressPercent, IsThatOfAllExportsTogether) {
  auto other = half_done("other");
  other.current->done = 0;
  EXPECT_EQ(progress_percent(example({half_done(), other})), 25U);
}

TEST(ProgressPercent, IsThatOfAllStreamsOfAnExport) {
  auto e = half_done();
  e.streams = 4;
  e.committed = 1;
  EXPECT_EQ(progress_percent(example({e})), 37U);
  e.streams = 0;
  EXPECT_EQ(progress_percent(example({e})), 50U);
}

TEST(ProgressPercent, Is100OnlyWhereAllIsCommitted) {
  auto e = half_done();
  e.current->done = *e.size;
  EXPECT_EQ(progress_percent(example({e})), 99U);
  EXPECT_EQ(progress_percent(example({ended_export()})), 100U);
  auto aborted = ended_export();
  aborted.size = 4096;
  aborted.committed = 0;
  aborted.aborted = 1;
  aborted.recent.back().committed = false;
  EXPECT_EQ(progress_percent(example({ended_export(), aborted})), std::nullopt);
  aborted.recent.back().count.sent = 1024;
  EXPECT_EQ(progress_percent(example({aborted})), 25U) << "how far it came";
}

TEST(ProgressPercent, IsNotKnownWithoutTheSizeOfEachExport) {
  auto e = half_done();
  e.current->total.reset();
  EXPECT_EQ(progress_percent(example({half_done(), e})), std::nullopt);
  EXPECT_EQ(progress_percent(example({idle_export()})), std::nullopt);
  EXPECT_EQ(progress_percent(example({})), std::nullopt);
}

}  // namespace
}  // namespace nbdstream::status
