// SPDX-License-Identifier: BSD-3-Clause
//
// Break at every byte: a session must not care how its bytes are cut into reads, and must notice
// wherever they end; whichever way the bytes go.
#include "scenarios.hpp"

#include <algorithm>
#include <numeric>

namespace nbdstream::test {
namespace {

class SessionBytes : public ::testing::TestWithParam<data_path> {};

INSTANTIATE_TEST_SUITE_P(Each, SessionBytes, ::testing::ValuesIn(all_paths), name_of);

/// Those that are cut at every byte, and one with large payloads.
std::vector<scenario> short_scenarios() {
  return {every_command(), by_export_name(), refused(), large_payloads()};
}

/// Where `s` is cut: everywhere, but for the middle of large payloads.
std::vector<std::size_t> cuts(const scenario& s) {
  constexpr std::size_t near = 40;
  constexpr std::size_t step = 4099;
  std::vector<std::size_t> at(s.client.script().size());
  std::iota(at.begin(), at.end(), 0);
  if (!s.large) return at;
  std::erase_if(at, [&](std::size_t cut) {
    const bool message = std::ranges::any_of(s.client.ends(), [cut](const auto& e) {
      return cut <= e.second + near && e.second <= cut + near;
    });
    return !message && cut % step != 0;
  });
  return at;
}

std::size_t whole_requests(const scenario& s, std::size_t cut) {
  std::size_t whole = 0;
  for (const auto& [cookie, end] : s.client.ends()) whole += end <= cut ? 1 : 0;
  return whole;
}

TEST_P(SessionBytes, SplitAtAnyByteChangesNothing) {
  for (const auto& s : short_scenarios()) {
    for (const auto at : cuts(s)) {
      play(
          s, GetParam(), "split at " + std::to_string(at),
          [&](rig&, rig::connection& c) {
            c.tape.splits.push_back(at);
            std::ranges::sort(c.tape.splits);
          },
          [&](rig& r, rig::connection&, const transcript& said) {
            EXPECT_EQ(r.tape.spliced > 0, s.large && GetParam() != data_path::copied);
            EXPECT_EQ(r.exported.committed(), s.commits ? 1u : 0u);
            EXPECT_EQ(said.answers.size(), s.client.ends().size());
          });
      if (HasFailure()) return;
    }
  }
}

TEST_P(SessionBytes, SplitAtEveryByteChangesNothing) {
  for (const auto& s : scenarios(GetParam())) {
    if (s.client.script().size() > 100'000) continue;
    play(
        s, GetParam(), "split everywhere",
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

TEST_P(SessionBytes, ConnectionThatEndsAtAnyByteCommitsNothing) {
  for (const auto& s : short_scenarios()) {
    for (const auto at : cuts(s)) {
      play(
          s, GetParam(), "cut at " + std::to_string(at),
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

TEST_P(SessionBytes, WrongByteInTheHandshakeNeverHangsTheServer) {
  const auto s = every_command();
  const std::size_t handshake = 4 + 16 + 6;
  for (std::size_t at = 0; at < handshake; ++at) {
    for (const int bit : {0, 3, 7}) {
      rig r(s.settings, GetParam());
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
