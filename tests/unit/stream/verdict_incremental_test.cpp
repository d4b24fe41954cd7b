// SPDX-License-Identifier: BSD-3-Clause
//
// When an incremental stream is complete: the table of doc/guide/incremental.md.
#include "verdict_support.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace nbdstream::stream {
namespace {

/// An incremental stream of which `named` bytes were named.
verdict incremental(std::optional<std::uint64_t> expected, std::uint64_t named,
                    const std::string& events, completeness rules = {}) {
  constexpr std::uint64_t size = 1 << 20;
  rules.incremental = true;
  rules.size_is_known = true;
  rules.expected_bytes = expected;
  verdict v(rules, start);
  play(v, events);
  EXPECT_EQ(v.current(), verdict_state::written);
  coverage c;
  if (named > 0) c.add_named();
  c.add_hole(named, size);
  c.finish(size);
  v.cover(c);
  return v;
}

TEST(VerdictIncremental, GapsAreAllowed) {
  EXPECT_EQ(incremental({}, 512, "jdc").current(), verdict_state::complete);
}

TEST(VerdictIncremental, ExpectedBytesMustMatchExactly) {
  EXPECT_EQ(incremental(512, 512, "jdc").current(), verdict_state::complete);
  const auto fewer = incremental(512, 500, "jdc");
  EXPECT_EQ(fewer.current(), verdict_state::failed);
  EXPECT_EQ(fewer.reason(), "requests covered 500 bytes, 12 fewer than --expect-bytes 512");
  const auto more = incremental(512, 513, "jdc");
  EXPECT_EQ(more.current(), verdict_state::failed);
  EXPECT_EQ(more.reason(), "requests covered 513 bytes, 1 more than --expect-bytes 512");
}

TEST(VerdictIncremental, ExpectedBytesMustMatchUnderRun) {
  EXPECT_EQ(incremental(512, 500, "jdc0n", by_run()).current(), verdict_state::failed);
  EXPECT_EQ(incremental(512, 512, "jdc0n", by_run()).current(), verdict_state::complete);
}

TEST(VerdictIncremental, StreamWithoutChangesCommitsUnderRun) {
  EXPECT_EQ(incremental({}, 0, "jc0n", by_run()).current(), verdict_state::complete);
  EXPECT_EQ(incremental(0, 0, "jc0n", by_run()).current(), verdict_state::complete);
}

TEST(VerdictIncremental, StreamAfterAVanishedClientNeedsExpectedBytes) {
  completeness after;
  after.follows_vanished_client = true;
  EXPECT_EQ(incremental({}, 512, "jdc", after).current(), verdict_state::failed);
  EXPECT_EQ(incremental(512, 512, "jdc", after).current(), verdict_state::complete);
}

TEST(VerdictIncremental, WaitsForIdleConnectionsWithoutExpectedBytes) {
  completeness rules;
  rules.incremental = true;
  rules.settle = 1s;
  verdict v(rules, start);
  v.bystanders(1, start);
  play(v, "jdc");
  EXPECT_EQ(v.current(), verdict_state::settling);
  play(v, "jdc");
  EXPECT_EQ(v.current(), verdict_state::settling);
  v.bystanders(0, start);
  v.tick(start + 1s);
  EXPECT_EQ(v.current(), verdict_state::written);
  rules.expected_bytes = 512;
  verdict counted(rules, start);
  counted.bystanders(1, start);
  play(counted, "jdc");
  EXPECT_EQ(counted.current(), verdict_state::written);
}

}  // namespace
}  // namespace nbdstream::stream
