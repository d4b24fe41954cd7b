// SPDX-License-Identifier: BSD-3-Clause
//
// The table "Complete or broken" of the README, row by row.
#include "stream/verdict.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace nbdstream::stream {
namespace {

using namespace std::chrono_literals;
using state = verdict::state;
constexpr verdict::time_point start{1000s};

coverage all_named() {
  coverage c;
  c.add_named();
  return c;
}
coverage some_missing() {
  auto c = all_named();
  c.add_hole(0, 512);
  return c;
}
coverage zeroes_overwritten() {
  auto c = all_named();
  c.add_overwritten(2 << 20, 3 << 20);
  return c;
}

completeness by_run() {
  completeness c;
  c.decided_by_run = true;
  c.run_grace = 10s;
  return c;
}
completeness by_coverage() {
  completeness c;
  c.refuse_gaps = true;
  return c;
}
completeness by_being_told() {
  completeness c;
  c.told = true;
  return c;
}

/// Events, one letter each: j joined, d data came; c, e, m disconnected cleanly, by end of file,
/// inside a request; 0, 1 the command of --run exited with that status; n no more clients; f
/// failed; s stopped; t told to commit, a told to abort.
void play(verdict& v, const std::string& events) {
  for (const char event : events) {
    switch (event) {
      case 'j': v.joined(); break;
      case 'd': v.data_came(); break;
      case 'c': v.left(disconnect::clean, "x", start); break;
      case 'e': v.left(disconnect::eof, "x", start); break;
      case 'm': v.left(disconnect::mid_request, "x", start); break;
      case '0': v.run_exited(0, {}, start); break;
      case '1': v.run_exited(1, "the command failed", start); break;
      case 'n': v.no_more_clients(); break;
      case 'f': v.fail("a request failed"); break;
      case 's': v.stop("a signal"); break;
      case 't': v.told_to_commit(); break;
      default: v.told_to_abort("the job failed"); break;
    }
  }
}

/// What becomes of a stream with that coverage: where every event has come, and all time has
/// passed.
state outcome(completeness rules, const std::string& events, const coverage& named) {
  verdict v(rules, start);
  play(v, events);
  if (v.current() == state::settling) v.tick(v.next_at());
  if (v.current() == state::written) v.cover(named);
  return v.current();
}

struct row {
  const char* events;
  state then;
};

TEST(Verdict, WithRunTheExitStatusDecides) {
  constexpr row table[] = {
      {"jdc0n", state::complete}, {"jde0n", state::complete},    {"jdm0n", state::failed},
      {"jdc1", state::failed},    {"jdcjde0n", state::complete}, {"jdc", state::open},
      {"jdc0", state::open},      {"jdcn0", state::complete},    {"0n", state::complete},
      {"jdcf0n", state::failed},  {"jd0s", state::failed},       {"jdc0ns", state::complete},
  };
  for (const auto& r : table)
    EXPECT_EQ(outcome(by_run(), r.events, some_missing()), r.then) << r.events;
}

TEST(Verdict, WithSizeEveryByteMustBeNamed) {
  EXPECT_EQ(outcome(by_coverage(), "jdc", all_named()), state::complete);
  EXPECT_EQ(outcome(by_coverage(), "jdc", some_missing()), state::failed);
  EXPECT_EQ(outcome(by_coverage(), "jdc", zeroes_overwritten()), state::failed);
  EXPECT_EQ(outcome(by_coverage(), "jc", all_named()), state::complete) << "a disk of zeroes";
  EXPECT_EQ(outcome({}, "jdc", zeroes_overwritten()), state::complete) << "with --gaps allow";
}

TEST(Verdict, WithoutBothTheCleanDisconnectsDecide) {
  constexpr row table[] = {
      {"jdc", state::complete}, {"jde", state::failed},     {"jdm", state::failed},
      {"jjdc", state::open},    {"jjdcc", state::complete}, {"jjdce", state::failed},
      {"jdf", state::failed},   {"jds", state::failed},     {"jc", state::complete},
      {"jcs", state::complete}, {"jdcs", state::complete},
  };
  for (const auto& r : table) EXPECT_EQ(outcome({}, r.events, some_missing()), r.then) << r.events;
}

TEST(Verdict, ToldDecidesWhateverDisconnectsSay) {
  constexpr row table[] = {
      {"jdc", state::open},      {"jde", state::open},   {"jdct", state::complete},
      {"jdet", state::complete}, {"jdt", state::open},   {"jdtc", state::complete},
      {"jdca", state::failed},   {"jdm", state::failed}, {"jda", state::failed},
      {"jdcs", state::failed},
  };
  for (const auto& r : table) {
    EXPECT_EQ(outcome(by_being_told(), r.events, some_missing()), r.then) << r.events;
  }
}

TEST(Verdict, StreamAfterAVanishedClientMustNameEveryByteWhateverGapsSays) {
  completeness rules;
  rules.follows_vanished_client = true;
  EXPECT_EQ(outcome(rules, "jdc", all_named()), state::complete);
  EXPECT_EQ(outcome(rules, "jdc", some_missing()), state::failed);
  verdict v(rules, start);
  play(v, "jdc");
  v.cover(some_missing());
  EXPECT_NE(v.reason().find("vanished"), std::string::npos) << v.reason();
}

TEST(Verdict, TellsWhoVanishedFromWhatFailed) {
  for (const char* events : {"jde", "jdm"}) {
    verdict v({}, start);
    play(v, events);
    EXPECT_EQ(v.why(), verdict::cause::vanished_client) << events;
  }
  verdict v({}, start);
  play(v, "jdfm");
  EXPECT_EQ(v.why(), verdict::cause::other) << "the first reason stays";
}

TEST(Verdict, ZeroesAloneWaitForAnotherConnection) {
  completeness rules;
  rules.settle = 1s;
  verdict v(rules, start);
  play(v, "jc");
  EXPECT_EQ(v.current(), state::settling);
  EXPECT_EQ(v.next_at(), start + 1s);
  v.bystanders(1, start);
  EXPECT_EQ(v.next_at(), verdict::time_point::max()) << "a connection is there, and may be slow";
  v.tick(start + 1000s);
  EXPECT_EQ(v.current(), state::settling);
  play(v, "jd");
  EXPECT_EQ(v.current(), state::open) << "it joins the stream";
  play(v, "c");
  EXPECT_EQ(v.current(), state::written) << "data do not wait";
}

TEST(Verdict, ZeroesAloneDoNotWaitForEverForProbesThatComeAndGo) {
  completeness rules;
  rules.settle = 1s;
  verdict v(rules, start);
  play(v, "jc");
  auto now = start;
  for (; v.current() == state::settling && now < start + 100s; now += 500ms) {
    v.bystanders(1, now);
    v.bystanders(0, now);
    v.tick(now);
  }
  EXPECT_EQ(v.current(), state::written);
  EXPECT_LE(now, start + 11s);
}

TEST(Verdict, ZeroesAloneWaitAgainWhenAConnectionHasLeftWithoutAWrite) {
  completeness rules;
  rules.settle = 1s;
  verdict v(rules, start);
  play(v, "jc");
  v.bystanders(1, start + 500ms);
  v.bystanders(0, start + 900ms);
  EXPECT_EQ(v.next_at(), start + 1900ms);
}

TEST(Verdict, ZeroesAloneDoNotWaitWhereNoConnectionCanCome) {
  completeness rules;
  rules.settle = 1s;
  for (const char* events : {"jcn", "jnc", "jcs"}) {
    verdict v(rules, start);
    play(v, events);
    EXPECT_EQ(v.current(), state::written) << events;
  }
}

TEST(Verdict, SignalFailsZeroesThatAnotherConnectionMayGoOnWith) {
  verdict v({}, start);
  play(v, "jc");
  v.bystanders(1, start);
  play(v, "s");
  EXPECT_EQ(v.current(), state::failed);
  verdict whole(by_coverage(), start);
  play(whole, "jc");
  whole.bystanders(1, start);
  play(whole, "s");
  EXPECT_EQ(whole.current(), state::failed) << "it may have zeroed all of the disk for the other";
}

TEST(Verdict, StreamThatNamesNothingIsOneOfZeroesOnlyWithRunSizeAndGapsAllowed) {
  for (const bool run : {true, false}) {
    for (const bool size : {true, false}) {
      for (const bool refuse : {true, false}) {
        completeness rules;
        rules.decided_by_run = run;
        rules.size_is_known = size;
        rules.refuse_gaps = refuse;
        verdict v(rules, start);
        play(v, "jc0n");
        if (v.current() == state::settling) v.tick(v.next_at());
        ASSERT_EQ(v.current(), state::written);
        v.cover(coverage());
        EXPECT_EQ(v.current() == state::complete, run && size && !refuse) << run << size << refuse;
      }
    }
  }
}

TEST(Verdict, WithRunZeroesMayBeOverwrittenAlsoWhereGapsAreRefused) {
  auto rules = by_run();
  rules.refuse_gaps = true;
  EXPECT_EQ(outcome(rules, "jdc0n", zeroes_overwritten()), state::complete);
  EXPECT_EQ(outcome(rules, "jdc0n", some_missing()), state::failed);
}

TEST(Verdict, ClientThatStaysAfterTheCommandFailsTheStream) {
  verdict v(by_run(), start);
  play(v, "jd0");
  EXPECT_EQ(v.next_at(), start + 10s);
  v.tick(start + 10s);
  EXPECT_EQ(v.current(), state::failed);
  EXPECT_NE(v.reason().find("--run-grace"), std::string::npos);
}

TEST(Verdict, NothingChangesAnEnd) {
  for (const bool committed : {true, false}) {
    verdict v({}, start);
    play(v, committed ? "jdc" : "jdf");
    if (committed) {
      v.cover(all_named());
      v.committed();
    } else {
      v.aborted();
    }
    const auto end = v.current();
    play(v, "jdcf0nsta1");
    EXPECT_EQ(v.current(), end);
  }
}

TEST(Verdict, KeepsTheFirstReason) {
  verdict v({}, start);
  play(v, "jdf");
  v.fail("another one");
  EXPECT_EQ(v.reason(), "a request failed");
}

TEST(Verdict, SaysWhatHelps) {
  verdict gaps(by_coverage(), start);
  play(gaps, "jdc");
  gaps.cover(some_missing());
  EXPECT_NE(gaps.reason().find("512 bytes at 0"), std::string::npos) << gaps.reason();
  EXPECT_NE(gaps.reason().find("--gaps allow"), std::string::npos);
  verdict zeroed(by_coverage(), start);
  play(zeroed, "jdc");
  zeroed.cover(zeroes_overwritten());
  EXPECT_NE(zeroed.reason().find("2097152"), std::string::npos) << zeroed.reason();
  EXPECT_NE(zeroed.reason().find("--run"), std::string::npos);
  EXPECT_NE(zeroed.reason().find("--gaps allow"), std::string::npos);
  verdict eof({}, start);
  play(eof, "jde");
  EXPECT_NE(eof.reason().find("NBD_CMD_DISC"), std::string::npos);
}

/// Whatever comes in whatever order, there is one end, and a commit only where every rule holds.
TEST(Verdict, RandomEventsNeverCommitWhatTheRulesForbid) {
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same events in every run
  const std::string letters = "jjjdddcccem01nfsta";
  for (int round = 0; round < 20000; ++round) {
    completeness rules;
    rules.decided_by_run = random() % 3 == 0;
    rules.told = !rules.decided_by_run && random() % 3 == 0;
    rules.refuse_gaps = random() % 2 == 0;
    rules.follows_vanished_client = random() % 4 == 0;
    const auto named = std::vector{all_named(), some_missing(), zeroes_overwritten()}[random() % 3];
    verdict v(rules, start);
    std::string events;
    int writers = 0;
    bool broken = false;
    while (events.size() < 30 && v.current() < state::complete) {
      const char event = letters[random() % letters.size()];
      if (event == 'j' && !v.accepts_writers()) continue;
      if ((event == 'c' || event == 'e' || event == 'm') && writers == 0) continue;
      writers += event == 'j' ? 1 : event == 'c' || event == 'e' || event == 'm' ? -1 : 0;
      const bool by_disconnects = !rules.decided_by_run && !rules.told;
      broken |= event == 'm' || event == '1' || event == 'f' || (event == 'a' && rules.told);
      broken |= event == 'e' && by_disconnects;
      broken |= event == 's' && v.current() == state::open;
      events += event;
      play(v, std::string(1, event));
      if (v.current() == state::written) v.cover(named);
    }
    SCOPED_TRACE(events);
    if (v.current() != state::complete) continue;
    EXPECT_FALSE(broken);
    const bool every_byte = rules.refuse_gaps || rules.follows_vanished_client;
    const bool proves = rules.decided_by_run || !named.zeroes_were_overwritten();
    EXPECT_TRUE(!every_byte || (named.complete() && proves));
    if (rules.decided_by_run) {
      EXPECT_NE(events.find('0'), std::string::npos);
    }
    if (rules.told) {
      EXPECT_NE(events.find('t'), std::string::npos);
    }
    if (!rules.decided_by_run && !rules.told) {
      EXPECT_EQ(writers, 0);
    }
  }
}

/// An incremental stream of which `named` bytes were named.
verdict incremental(std::optional<std::uint64_t> expected, std::uint64_t named,
                    const std::string& events, completeness rules = {}) {
  constexpr std::uint64_t size = 1 << 20;
  rules.incremental = true;
  rules.size_is_known = true;
  rules.expected_bytes = expected;
  verdict v(rules, start);
  play(v, events);
  EXPECT_EQ(v.current(), state::written);
  coverage c;
  if (named > 0) c.add_named();
  c.add_hole(named, size);
  c.finish(size);
  v.cover(c);
  return v;
}

TEST(VerdictIncremental, BytesThatWereNotNamedBreakNothing) {
  EXPECT_EQ(incremental({}, 512, "jdc").current(), state::complete);
}

TEST(VerdictIncremental, ExpectedBytesMustBeNamedNoMoreAndNoFewer) {
  EXPECT_EQ(incremental(512, 512, "jdc").current(), state::complete);
  const auto fewer = incremental(512, 500, "jdc");
  EXPECT_EQ(fewer.current(), state::failed);
  EXPECT_EQ(fewer.reason(), "500 bytes were named, 12 fewer than --expect-bytes 512");
  const auto more = incremental(512, 513, "jdc");
  EXPECT_EQ(more.current(), state::failed);
  EXPECT_EQ(more.reason(), "513 bytes were named, 1 more than --expect-bytes 512");
}

TEST(VerdictIncremental, ExpectedBytesMustBeNamedAlsoWhereTheCommandSucceeds) {
  EXPECT_EQ(incremental(512, 500, "jdc0n", by_run()).current(), state::failed);
  EXPECT_EQ(incremental(512, 512, "jdc0n", by_run()).current(), state::complete);
}

TEST(VerdictIncremental, NothingThatHasChangedIsAStreamWhereTheCommandSucceeds) {
  EXPECT_EQ(incremental({}, 0, "jc0n", by_run()).current(), state::complete);
  EXPECT_EQ(incremental(0, 0, "jc0n", by_run()).current(), state::complete);
}

TEST(VerdictIncremental, StreamAfterAVanishedClientNeedsExpectedBytes) {
  completeness after;
  after.follows_vanished_client = true;
  EXPECT_EQ(incremental({}, 512, "jdc", after).current(), state::failed);
  EXPECT_EQ(incremental(512, 512, "jdc", after).current(), state::complete);
}

TEST(VerdictIncremental, WaitsForAConnectionThatHasNotWrittenWhereNothingIsCounted) {
  completeness rules;
  rules.incremental = true;
  rules.settle = 1s;
  verdict v(rules, start);
  v.bystanders(1, start);
  play(v, "jdc");
  EXPECT_EQ(v.current(), state::settling);
  play(v, "jdc");
  EXPECT_EQ(v.current(), state::settling);
  v.bystanders(0, start);
  v.tick(start + 1s);
  EXPECT_EQ(v.current(), state::written);
  rules.expected_bytes = 512;
  verdict counted(rules, start);
  counted.bystanders(1, start);
  play(counted, "jdc");
  EXPECT_EQ(counted.current(), state::written);
}

}  // namespace
}  // namespace nbdstream::stream
