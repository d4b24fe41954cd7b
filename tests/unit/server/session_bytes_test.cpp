// SPDX-License-Identifier: BSD-3-Clause
//
// Break at every byte: a session must not care how its bytes are cut into reads, and must notice
// wherever they end.
#include "scenarios.hpp"

#include <numeric>

namespace nbdstream::test {
namespace {

std::vector<scenario> short_scenarios() {
  return {every_command(), by_export_name(), refused()};
}

std::size_t whole_requests(const scenario& s, std::size_t cut) {
  std::size_t whole = 0;
  for (const auto& [cookie, end] : s.client.ends()) whole += end <= cut ? 1 : 0;
  return whole;
}

TEST(SessionBytes, AReadThatEndsAtAnyByteChangesNothing) {
  for (const auto& s : short_scenarios()) {
    for (std::size_t at = 1; at < s.client.script().size(); ++at) {
      play(
          s, "split at " + std::to_string(at),
          [&](rig&, rig::connection& c) { c.tape.splits = {at}; },
          [&](rig& r, rig::connection&, const transcript& said) {
            EXPECT_EQ(r.exported.committed(), s.commits ? 1u : 0u);
            EXPECT_EQ(said.answers.size(), s.client.ends().size());
          });
      if (HasFailure()) return;
    }
  }
}

TEST(SessionBytes, ReadsOfOneByteEachChangeNothing) {
  for (const auto& s : scenarios()) {
    if (s.client.script().size() > 100'000) continue;
    play(
        s, "split everywhere",
        [&](rig&, rig::connection& c) {
          c.tape.splits.resize(s.client.script().size());
          std::iota(c.tape.splits.begin(), c.tape.splits.end(), 1);
        },
        [&](rig& r, rig::connection&, const transcript& said) {
          EXPECT_EQ(r.exported.committed(), s.commits ? 1u : 0u);
          EXPECT_EQ(said.answers.size(), s.client.ends().size());
        });
  }
}

TEST(SessionBytes, AStreamThatEndsAtAnyByteIsAborted) {
  for (const auto& s : short_scenarios()) {
    for (std::size_t at = 0; at < s.client.script().size(); ++at) {
      play(
          s, "cut at " + std::to_string(at),
          [&](rig&, rig::connection& c) { c.tape.to_server.resize(at); },
          [&](rig& r, rig::connection& c, const transcript& said) {
            EXPECT_EQ(c.tape.sent, at);
            EXPECT_EQ(r.exported.committed(), 0u) << "truncated, and passed off as complete";
            EXPECT_EQ(said.answers.size(), whole_requests(s, at));
          });
      if (HasFailure()) return;
    }
  }
}

TEST(SessionBytes, AnyByteOfTheHandshakeThatIsWrongNeverHangsTheServer) {
  const auto s = every_command();
  const std::size_t handshake = 4 + 16 + 6;
  for (std::size_t at = 0; at < handshake; ++at) {
    for (const int bit : {0, 3, 7}) {
      rig r(s.settings);
      auto script = s.client.script();
      script[at] = static_cast<char>(script[at] ^ (1 << bit));
      auto& c = r.connect(script);
      r.go(c);
      r.settle();
      ASSERT_TRUE(c.done) << at << " " << bit;
      r.exported.no_more_clients();
      r.settle();
      ASSERT_TRUE(r.export_done);
      EXPECT_TRUE(r.tape.all_ended_once());
    }
  }
}

}  // namespace
}  // namespace nbdstream::test
