// SPDX-License-Identifier: BSD-3-Clause
//
// --format rbd-diff: what clients may do, and what they learn.
#include "at_work.hpp"
#include "scenarios.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

constexpr std::uint64_t size = 100'000;

nbd_export::settings incremental(std::optional<std::uint64_t> expected = {}) {
  auto s = as_diff(size);
  s.config.diff_from = "yesterday";
  s.config.diff_to = "today";
  s.config.expect_bytes = expected;
  return s;
}

class SessionDiff : public clients_at_work {
 protected:
  explicit SessionDiff(nbd_export::settings s = as_diff(size)) : clients_at_work(std::move(s)) {}

  const std::string head_ = diff_header({{}, {}, size});
};

TEST_F(SessionDiff, WritesGoOutInTheOrderInWhichTheyCome) {
  auto& a = connect();
  auto& b = connect();
  write(a, 900, "x");
  write(b, 100, "y");
  write(a, 900, "z");
  EXPECT_EQ(r.tape.data(),
            head_ + data_record(900, "x") + data_record(100, "y") + data_record(900, "z"));
  EXPECT_EQ(answers(a), "1 2");
}

TEST_F(SessionDiff, SmallWritesAnywhereThatComeTogetherAreOneCall) {
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

TEST_F(SessionDiff, SmallWriteBeyondTheSizeIsNoPartOfABatch) {
  auto& c = connect();
  write(c, 0, "0");
  say(c, [](scripted_client& s) {
    s.write(700, "a").write(~std::uint64_t{0} - 1, "bcd").write(300, "e");
  });
  r.settle();
  EXPECT_EQ(r.exported.aborted(), 1u) << "a write that is refused is lost";
  EXPECT_FALSE(r.tape.data().ends_with('e'));
}

TEST_F(SessionDiff, ReadFindsZeroesWhereNothingWasWrittenAndAnErrorWhereSomethingWas) {
  auto& c = connect();
  write(c, 1000, "x");
  say(c, [](scripted_client& s) { s.read(0, 100).read(1000, 1).read(990, 20).zeroes(2000, 10); });
  say(c, [](scripted_client& s) { s.read(2000, 10); });
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3:5 4:5 5 6");
}

TEST_F(SessionDiff, StreamIsAbortedWithoutAnEndWhereAByteIsMissing) {
  auto s = as_diff(size);
  s.refuse_gaps = true;
  rig other(std::move(s));
  scripted_client client;
  client.flags().go().write(50'000, pattern(50'000)).write(0, pattern(49'999)).disc();
  auto& c = other.connect(client.script());
  other.go(c);
  other.settle();
  EXPECT_EQ(other.exported.aborted(), 1u);
  EXPECT_TRUE(other.log.says("1 bytes were never named")) << other.log.all();
  EXPECT_EQ(other.tape.data().size(), head_.size() + 2 * diff::record_size + 99'999);
}

class SessionIncremental : public SessionDiff {
 protected:
  explicit SessionIncremental(std::optional<std::uint64_t> expected = {})
      : SessionDiff(incremental(expected)) {}
  const std::string head_ = diff_header({"yesterday", "today", size});
};

TEST_F(SessionIncremental, GapsAreLeftOut) {
  auto& c = connect();
  write(c, 500, "x");
  disc(c);
  r.settle();
  EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
  EXPECT_EQ(r.tape.data(), head_ + data_record(500, "x") + "e");
}

TEST_F(SessionIncremental, ReadOfWhatIsNotKnownIsAnErrorAndBlockStatusCallsItData) {
  auto& c = connect();
  say(c, [](scripted_client& s) { s.read(0, 10).zeroes(0, 20).read(0, 10).read(10, 20); });
  r.settle();
  EXPECT_EQ(answers(c), "1:5 2 3 4:5");
}

class SessionExpected : public SessionIncremental {
 protected:
  SessionExpected() : SessionIncremental(100) {}
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

TEST_F(SessionExpected, AsManyBytesAsExpectedCommit) {
  EXPECT_TRUE(commits({{0, 50}, {1000, 50}}));
}

TEST_F(SessionExpected, BytesThatAreNamedTwiceCountOnce) {
  EXPECT_TRUE(commits({{0, 60}, {20, 80}}));
}

TEST_F(SessionExpected, FewerBytesAbort) {
  EXPECT_FALSE(commits({{0, 99}}));
  EXPECT_TRUE(r.log.says("99 bytes were named, 1 fewer than --expect-bytes 100")) << r.log.all();
}

TEST_F(SessionExpected, MoreBytesAbort) {
  EXPECT_FALSE(commits({{0, 101}}));
  EXPECT_TRUE(r.log.says("101 bytes were named, 1 more than --expect-bytes 100")) << r.log.all();
}

}  // namespace
}  // namespace nbdstream::test
