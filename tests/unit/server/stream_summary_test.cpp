// SPDX-License-Identifier: BSD-3-Clause
#include "server/stream_summary.hpp"

#include "support/fake_log.hpp"

#include <gtest/gtest.h>

#include <string>

namespace nbdstream {
namespace {

stream_summary committed() {
  stream_summary s;
  s.ended.committed = true;
  s.ended.count = {.sent = 8'000'000,
                   .payload = 4'000'000,
                   .zeroes = 4'000'000,
                   .spliced = 3'000'000,
                   .spilled = 0};
  s.ended.took = status::seconds(0.5);
  return s;
}

stream_summary aborted(std::uint64_t sent) {
  stream_summary s;
  s.ended.reason = "the reader went away";
  s.ended.count.sent = sent;
  s.ended.took = status::seconds(2);
  return s;
}

/// The members in JSON, behind the message.
std::string members_of(const stream_summary& s) {
  const auto all = s.fields();
  const auto line = log::render(log::format::json, log::level::info, "x", all);
  const std::string before = "\"message\":\"x\",";
  return line.substr(line.find(before) + before.size());
}

TEST(StreamSummary, CommitHasBytesRateAndOrder) {
  EXPECT_EQ(committed().text(),
            "committed, 8000000 bytes, 4000000 of them zeroes that no payload carried, "
            "in 0.50 s at 15.3 MiB/s, 75 % spliced; in order");
}

TEST(StreamSummary, CommitHasHeldBytesAndDigest) {
  auto s = committed();
  s.ahead = 2;
  s.distance = 65536;
  s.held_memory_peak = 100;
  s.held_spill_peak = 200;
  s.ended.digest = "sha256:00ff";
  EXPECT_TRUE(s.text().ends_with(
      "; 2 writes came ahead of the stream, by up to 65536 bytes; most held at once: 100 bytes in "
      "memory, 200 bytes spilled; sha256 00ff"))
      << s.text();
}

TEST(StreamSummary, CommitOfADiffHasTheCoveredBytes) {
  auto s = committed();
  s.named = 12;
  EXPECT_TRUE(
      s.text().starts_with("committed, 8000000 bytes of rbd-diff, 4000000 of them data, "
                           "covering 12 bytes of the disk, in 0.50 s"))
      << s.text();
  EXPECT_TRUE(s.text().ends_with("; as it came")) << s.text();
}

TEST(StreamSummary, AbortBeginsWithBytesAndReason) {
  auto s = aborted(4000);
  s.held_spill_peak = 7;
  EXPECT_EQ(s.text(),
            "aborted after 4000 bytes: the reader went away (in 2.00 s at 2.0 KiB/s; most held at "
            "once: 0 bytes in memory, 7 bytes spilled)");
}

TEST(StreamSummary, AbortBeforeTheFirstByteHasNoRate) {
  EXPECT_EQ(aborted(0).text(),
            "aborted before anything was sent: the reader went away (in 2.00 s)");
}

TEST(StreamSummary, FieldsAreRenderedAsJson) {
  auto s = aborted(4000);
  s.ended.unique_id = "0f";
  s.connection = 3;
  s.offset = 4096;
  EXPECT_EQ(members_of(s),
            R"("outcome":"aborted","unique_id":"0f","sent_bytes":4000,"compressed_bytes":0,)"
            R"("payload_bytes":0,"zero_bytes":0,)"
            R"("spliced_bytes":0,"spilled_bytes":0,"seconds":2.000,)"
            R"("average_bytes_per_second":2000.000,"held_memory_peak_bytes":0,)"
            R"("held_spill_peak_bytes":0,"reason":"the reader went away","connection":3,)"
            R"("offset":4096})"
            "\n");
}

}  // namespace
}  // namespace nbdstream
