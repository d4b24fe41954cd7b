// SPDX-License-Identifier: BSD-3-Clause
//
// --format rbd-diff: what clients may do, and what they learn.
#include "at_work.hpp"
#include "diff/parser.hpp"
#include "scenarios.hpp"

#include <algorithm>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace nbdstream::test {
namespace {

constexpr std::uint64_t disk_size = 100'000;

nbd_export::settings incremental(std::optional<std::uint64_t> expected = {}) {
  auto s = as_diff(disk_size);
  s.config.diff_from = "yesterday";
  s.config.diff_to = "today";
  s.config.expect_bytes = expected;
  return s;
}

class SessionDiff : public clients_at_work {
 protected:
  explicit SessionDiff(nbd_export::settings s = as_diff(disk_size))
      : clients_at_work(std::move(s)) {}

  const std::string head_ = diff_header({{}, {}, disk_size});
};

TEST_F(SessionDiff, RecordsKeepTheOrderOfWrites) {
  auto& a = connect();
  auto& b = connect();
  write(a, 900, "x");
  write(b, 100, "y");
  write(a, 900, "z");
  EXPECT_EQ(r.tape.data(),
            head_ + data_record(900, "x") + data_record(100, "y") + data_record(900, "z"));
  EXPECT_EQ(answers(a), "1 2");
}

TEST_F(SessionDiff, SmallWritesAnywhereMakeOneSinkCall) {
  auto& c = connect();
  write(c, 0, "0");
  const auto before = r.tape.calls.size();
  say(c, [](scripted_client& s) { s.write(700, "a").write(300, "b").write(301, "c"); });
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3 4");
  EXPECT_EQ(r.tape.calls.size(), before + 1);
  EXPECT_EQ(r.tape.data(),
            head_ + data_record(0, "0") + data_record(700, "a") + data_record(300, "bc"));
}

TEST_F(SessionDiff, SmallWriteBeyondTheSizeAborts) {
  auto& c = connect();
  write(c, 0, "0");
  say(c, [](scripted_client& s) {
    s.write(700, "a").write(~std::uint64_t{0} - 1, "bcd").write(300, "e");
  });
  r.settle();
  EXPECT_EQ(r.exported.aborted(), 1u) << "a write that is refused is lost";
  EXPECT_FALSE(r.tape.data().ends_with('e'));
}

TEST_F(SessionDiff, ReadReturnsUnwrittenZeroesAndFailsForData) {
  auto& c = connect();
  write(c, 1000, "x");
  say(c, [](scripted_client& s) { s.read(0, 100).read(1000, 1).read(990, 20).zeroes(2000, 10); });
  say(c, [](scripted_client& s) { s.read(2000, 10); });
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3:5 4:5 5 6");
}

TEST_F(SessionDiff, MissingByteAbortsWithoutAnEndRecord) {
  auto s = as_diff(disk_size);
  s.refuse_gaps = true;
  rig other(std::move(s));
  scripted_client client;
  client.flags().go().write(50'000, pattern(50'000)).write(0, pattern(49'999)).disc();
  auto& c = other.connect(client.script());
  other.go(c);
  other.settle();
  EXPECT_EQ(other.exported.aborted(), 1u);
  EXPECT_TRUE(other.log.says("1 bytes were not covered")) << other.log.all();
  EXPECT_EQ(other.tape.data().size(), head_.size() + 2 * diff::record_size + 99'999);
}

/// What a diff makes of `disk`; nothing where it is not whole.
std::optional<std::string> applied(const std::string& diff, std::string disk) {
  diff::parser parser;
  auto rest = std::as_bytes(std::span(diff));
  bool whole = false;
  while (!rest.empty()) {
    const auto event = parser.next(rest);
    if (event == diff::parser::event::broken) return std::nullopt;
    whole = event == diff::parser::event::end;
    const auto& [offset, length] = parser.record();
    if (event == diff::parser::event::zeroes) disk.replace(offset, length, length, '\0');
    if (event != diff::parser::event::data) continue;
    const auto taken = std::min<std::uint64_t>(parser.payload_left(), rest.size());
    disk.replace(offset, taken, reinterpret_cast<const char*>(rest.data()), taken);
    parser.take_payload(taken);
    rest = rest.subspan(taken);
  }
  if (!whole) return std::nullopt;
  return disk;
}

struct random_clients final : clients_at_work {
  explicit random_clients(nbd_export::settings s) : clients_at_work(std::move(s)) {}
  void TestBody() override {}
  using clients_at_work::at_work;
  using clients_at_work::connect;
  using clients_at_work::disc;
  using clients_at_work::r;
  using clients_at_work::say;
};

/// Three clients write, zero, trim and write again anywhere, one after another or several requests
/// at once, beside an array.
TEST(SessionDiffRandom, AppliedDiffEqualsTheDiskOfRandomClients) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const bool full = random() % 2 == 0;
    std::string disk(disk_size, full ? '\0' : 'b');
    const std::string before = disk;
    random_clients all(full ? as_diff(disk_size) : incremental());
    std::vector<random_clients::at_work*> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(&all.connect());
    for (int i = 0; i < 40; ++i) {
      auto& c = *clients[random() % clients.size()];
      all.say(c, [&](scripted_client& s) {
        for (auto n = 1 + random() % 4; n > 0; --n) {
          const std::uint64_t offset = random() % disk_size;
          const bool large = random() % 5 == 0;
          const auto length =
              std::min<std::uint64_t>(disk_size - offset, 1 + random() % (large ? 40'000 : 300));
          switch (random() % 6) {
            case 0: s.zeroes(offset, length); break;
            case 1: s.trim(offset, length); break;
            case 2: s.flush(); continue;
            default: {
              const auto data = pattern(length, random());
              s.write(offset, data);
              disk.replace(offset, length, data);
              continue;
            }
          }
          disk.replace(offset, length, length, '\0');
        }
      });
      all.r.settle();
    }
    for (auto* c : clients) all.disc(*c);
    all.r.settle();
    ASSERT_EQ(all.r.exported.committed(), 1u) << all.r.log.all();
    EXPECT_TRUE(applied(all.r.tape.data(), before) == disk);
    const auto cut = random() % all.r.tape.data().size();
    EXPECT_EQ(applied(all.r.tape.data().substr(0, cut), before), std::nullopt);
  }
}

TEST_F(SessionDiff, CommitCannotBeCancelledAfterTheEndRecord) {
  auto& c = connect();
  write(c, 0, "x");
  r.tape.hold = "commit";
  disc(c);
  ASSERT_TRUE(r.tape.waiting);
  ASSERT_TRUE(r.tape.data().ends_with('e'));
  r.exported.cancel_commit("a second signal");
  r.settle();
  EXPECT_EQ(r.exported.aborted(), 0u);
  r.sink->release();
  r.settle();
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
}

class SessionIncremental : public SessionDiff {
 protected:
  explicit SessionIncremental(std::optional<std::uint64_t> expected = {})
      : SessionDiff(incremental(expected)) {}
  const std::string head_ = diff_header({"yesterday", "today", disk_size});
};

TEST_F(SessionIncremental, GapsHaveNoRecord) {
  auto& c = connect();
  write(c, 500, "x");
  disc(c);
  r.settle();
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
  EXPECT_EQ(r.tape.data(), head_ + data_record(500, "x") + "e");
}

TEST_F(SessionIncremental, ReadOfUnwrittenBytesIsAnError) {
  auto& c = connect();
  say(c, [](scripted_client& s) { s.read(0, 10).zeroes(0, 20).read(0, 10).read(10, 20); });
  r.settle();
  EXPECT_EQ(answers(c), "1:5 2 3 4:5");
}

class SessionExpectBytes : public SessionIncremental {
 protected:
  SessionExpectBytes() : SessionIncremental(100) {}
  /// Writes these, disconnects, and returns whether the stream was committed.
  [[nodiscard]] bool commits(std::initializer_list<std::pair<std::uint64_t, std::size_t>> writes) {
    auto& c = connect();
    for (const auto& [offset, length] : writes) write(c, offset, pattern(length));
    disc(c);
    r.settle();
    EXPECT_EQ(r.tape.data().ends_with('e') && r.tape.commits() == 1, r.exported.committed() == 1);
    return r.exported.committed() == 1;
  }
};

TEST_F(SessionExpectBytes, ExactNumberCommits) {
  EXPECT_TRUE(commits({{0, 50}, {1000, 50}}));
}

TEST_F(SessionExpectBytes, BytesWrittenTwiceCountOnce) {
  EXPECT_TRUE(commits({{0, 60}, {20, 80}}));
}

TEST_F(SessionExpectBytes, FewerBytesAbort) {
  EXPECT_FALSE(commits({{0, 99}}));
  EXPECT_TRUE(r.log.says("requests covered 99 bytes, 1 fewer than --expect-bytes 100"))
      << r.log.all();
}

TEST_F(SessionExpectBytes, MoreBytesAbort) {
  EXPECT_FALSE(commits({{0, 101}}));
  EXPECT_TRUE(r.log.says("requests covered 101 bytes, 1 more than --expect-bytes 100"))
      << r.log.all();
}

}  // namespace
}  // namespace nbdstream::test
