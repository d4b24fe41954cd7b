// SPDX-License-Identifier: BSD-3-Clause
//
// The table "Complete or broken" of the README, row by row.
#include "verdict_support.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace nbdstream::stream {
namespace {

/// What becomes of a stream with that coverage: where every event has come, and all time has
/// passed.
verdict_state outcome(completeness rules, const std::string& events, const coverage& named) {
  verdict v(rules, start);
  play(v, events, named);
  if (v.current() == verdict_state::settling) v.tick(v.next_at());
  if (v.current() == verdict_state::written) v.cover(named);
  return v.current();
}

struct row {
  const char* events;
  verdict_state then;
};

TEST(Verdict, ExitStatusDecidesUnderRun) {
  constexpr row table[] = {
      {"jdc0n", verdict_state::complete},    {"jde0n", verdict_state::complete},
      {"jdm0n", verdict_state::failed},      {"jdc1", verdict_state::failed},
      {"jdcjde0n", verdict_state::complete}, {"jdc", verdict_state::open},
      {"jdc0", verdict_state::open},         {"jdcn0", verdict_state::complete},
      {"0n", verdict_state::complete},       {"jdcf0n", verdict_state::failed},
      {"jd0s", verdict_state::failed},       {"jdc0ns", verdict_state::complete},
  };
  for (const auto& r : table)
    EXPECT_EQ(outcome(by_run(), r.events, some_missing()), r.then) << r.events;
}

TEST(Verdict, EveryByteMustBeCoveredIfGapsAreRefused) {
  EXPECT_EQ(outcome(by_coverage(), "jdc", all_named()), verdict_state::complete);
  EXPECT_EQ(outcome(by_coverage(), "jdc", some_missing()), verdict_state::failed);
  EXPECT_EQ(outcome(by_coverage(), "jdc", zeroes_overwritten()), verdict_state::failed);
  EXPECT_EQ(outcome(by_coverage(), "jc", all_named()), verdict_state::complete)
      << "a disk of zeroes";
  EXPECT_EQ(outcome({}, "jdc", zeroes_overwritten()), verdict_state::complete)
      << "with --gaps allow";
}

TEST(Verdict, CleanDisconnectsDecideWithoutRunAndSize) {
  constexpr row table[] = {
      {"jdc", verdict_state::complete},   {"jde", verdict_state::failed},
      {"jdm", verdict_state::failed},     {"jjdc", verdict_state::open},
      {"jjdcc", verdict_state::complete}, {"jjdce", verdict_state::failed},
      {"jdf", verdict_state::failed},     {"jds", verdict_state::failed},
      {"jc", verdict_state::complete},    {"jcs", verdict_state::complete},
      {"jdcs", verdict_state::complete},
  };
  for (const auto& r : table) EXPECT_EQ(outcome({}, r.events, some_missing()), r.then) << r.events;
}

TEST(Verdict, EndToldIgnoresHowClientsDisconnect) {
  constexpr row table[] = {
      {"jdc", verdict_state::open},      {"jde", verdict_state::open},
      {"jdct", verdict_state::complete}, {"jdet", verdict_state::complete},
      {"jdt", verdict_state::open},      {"jdtc", verdict_state::open},
      {"jdcf", verdict_state::failed},   {"jdm", verdict_state::failed},
      {"jdcn", verdict_state::open},     {"jdcs", verdict_state::failed},
      {"t", verdict_state::complete},    {"jdctf", verdict_state::failed},
  };
  for (const auto& r : table) {
    EXPECT_EQ(outcome(by_being_told(), r.events, some_missing()), r.then) << r.events;
  }
}

TEST(Verdict, CommitMustBeToldBeforeTheCommandEnds) {
  auto rules = by_run();
  rules.told = true;
  constexpr row table[] = {
      {"jdct0n", verdict_state::complete}, {"jdc0n", verdict_state::failed},
      {"jdc0nt", verdict_state::failed},   {"jdct1", verdict_state::failed},
      {"jdc0t", verdict_state::complete},  {"jdc1t", verdict_state::failed},
  };
  for (const auto& r : table) EXPECT_EQ(outcome(rules, r.events, all_named()), r.then) << r.events;
}

TEST(Verdict, CommitToldTooEarlyIsRefusedWithTheReason) {
  auto rules = by_being_told();
  rules.refuse_gaps = true;
  verdict v(rules, start);
  play(v, "jd");
  EXPECT_NE(v.told_to_commit(all_named()).find("still connected"), std::string::npos);
  play(v, "c");
  EXPECT_NE(v.told_to_commit(some_missing()).find("512 bytes"), std::string::npos);
  EXPECT_EQ(v.current(), verdict_state::open);
  EXPECT_EQ(v.told_to_commit(zeroes_overwritten()), "") << "a mirror that zeroed first";
  EXPECT_EQ(v.current(), verdict_state::written);
  EXPECT_NE(v.told_to_commit(all_named()), "") << "twice";
}

TEST(Verdict, EveryByteMustBeCoveredAfterAVanishedClient) {
  completeness rules;
  rules.follows_vanished_client = true;
  EXPECT_EQ(outcome(rules, "jdc", all_named()), verdict_state::complete);
  EXPECT_EQ(outcome(rules, "jdc", some_missing()), verdict_state::failed);
  verdict v(rules, start);
  play(v, "jdc");
  v.cover(some_missing());
  EXPECT_NE(v.reason().find("vanished"), std::string::npos) << v.reason();
}

TEST(Verdict, CauseDistinguishesAVanishedClientFromFailure) {
  for (const char* events : {"jde", "jdm"}) {
    verdict v({}, start);
    play(v, events);
    EXPECT_EQ(v.why(), verdict::cause::vanished_client) << events;
  }
  verdict v({}, start);
  play(v, "jdfm");
  EXPECT_EQ(v.why(), verdict::cause::other) << "the first reason stays";
}

TEST(Verdict, ZeroesOnlyStreamWaitsForAnotherConnection) {
  completeness rules;
  rules.settle = 1s;
  verdict v(rules, start);
  play(v, "jc");
  EXPECT_EQ(v.current(), verdict_state::settling);
  EXPECT_EQ(v.next_at(), start + 1s);
  v.bystanders(1, start);
  EXPECT_EQ(v.next_at(), verdict::time_point::max()) << "a connection is there, and may be slow";
  v.tick(start + 1000s);
  EXPECT_EQ(v.current(), verdict_state::settling);
  play(v, "jd");
  EXPECT_EQ(v.current(), verdict_state::open) << "it joins the stream";
  play(v, "c");
  EXPECT_EQ(v.current(), verdict_state::written) << "data do not wait";
}

TEST(Verdict, ZeroesOnlyStreamDoesNotWaitForeverForProbes) {
  completeness rules;
  rules.settle = 1s;
  verdict v(rules, start);
  play(v, "jc");
  auto now = start;
  for (; v.current() == verdict_state::settling && now < start + 100s; now += 500ms) {
    v.bystanders(1, now);
    v.bystanders(0, now);
    v.tick(now);
  }
  EXPECT_EQ(v.current(), verdict_state::written);
  EXPECT_LE(now, start + 11s);
}

TEST(Verdict, IdleConnectionThatLeavesRestartsTheSettleTime) {
  completeness rules;
  rules.settle = 1s;
  verdict v(rules, start);
  play(v, "jc");
  v.bystanders(1, start + 500ms);
  v.bystanders(0, start + 900ms);
  EXPECT_EQ(v.next_at(), start + 1900ms);
}

TEST(Verdict, ZeroesOnlyStreamDoesNotWaitIfNoConnectionCanCome) {
  completeness rules;
  rules.settle = 1s;
  for (const char* events : {"jcn", "jnc", "jcs"}) {
    verdict v(rules, start);
    play(v, events);
    EXPECT_EQ(v.current(), verdict_state::written) << events;
  }
}

TEST(Verdict, SignalAbortsZeroesOnlyStreamBesideIdleConnection) {
  verdict v({}, start);
  play(v, "jc");
  v.bystanders(1, start);
  play(v, "s");
  EXPECT_EQ(v.current(), verdict_state::failed);
  verdict whole(by_coverage(), start);
  play(whole, "jc");
  whole.bystanders(1, start);
  play(whole, "s");
  EXPECT_EQ(whole.current(), verdict_state::failed)
      << "it may have zeroed all of the disk for the other";
}

TEST(Verdict, EmptyStreamCommitsOnlyWithRunSizeAndGapsAllowed) {
  for (const bool run : {true, false}) {
    for (const bool size : {true, false}) {
      for (const bool refuse : {true, false}) {
        completeness rules;
        rules.decided_by_run = run;
        rules.size_is_known = size;
        rules.refuse_gaps = refuse;
        verdict v(rules, start);
        play(v, "jc0n");
        if (v.current() == verdict_state::settling) v.tick(v.next_at());
        ASSERT_EQ(v.current(), verdict_state::written);
        v.cover(coverage());
        EXPECT_EQ(v.current() == verdict_state::complete, run && size && !refuse)
            << run << size << refuse;
      }
    }
  }
}

TEST(Verdict, OverwrittenZeroesAreAllowedUnderRun) {
  auto rules = by_run();
  rules.refuse_gaps = true;
  EXPECT_EQ(outcome(rules, "jdc0n", zeroes_overwritten()), verdict_state::complete);
  EXPECT_EQ(outcome(rules, "jdc0n", some_missing()), verdict_state::failed);
}

TEST(Verdict, ClientThatStaysBeyondRunGraceAborts) {
  verdict v(by_run(), start);
  play(v, "jd0");
  EXPECT_EQ(v.next_at(), start + 10s);
  v.tick(start + 10s);
  EXPECT_EQ(v.current(), verdict_state::failed);
  EXPECT_NE(v.reason().find("--run-grace"), std::string::npos);
}

TEST(Verdict, EventsDoNotChangeAnEndedStream) {
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

TEST(Verdict, ReasonsSuggestOptions) {
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
  const std::string letters = "jjjdddcccem01nfst";
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
    while (events.size() < 30 && v.current() < verdict_state::complete) {
      const char event = letters[random() % letters.size()];
      if (event == 'j' && !v.accepts_writers()) continue;
      if ((event == 'c' || event == 'e' || event == 'm') && writers == 0) continue;
      writers += event == 'j' ? 1 : event == 'c' || event == 'e' || event == 'm' ? -1 : 0;
      const bool by_disconnects = !rules.decided_by_run && !rules.told;
      broken |= event == 'm' || event == '1' || event == 'f';
      broken |= event == 'e' && by_disconnects;
      broken |= event == 's' && v.current() == verdict_state::open;
      events += event;
      play(v, std::string(1, event), named);
      if (v.current() == verdict_state::written) v.cover(named);
    }
    SCOPED_TRACE(events);
    if (v.current() != verdict_state::complete) continue;
    EXPECT_FALSE(broken);
    const bool every_byte = rules.refuse_gaps || rules.follows_vanished_client;
    const bool proves = rules.decided_by_run || rules.told || !named.zeroes_were_overwritten();
    EXPECT_TRUE(!every_byte || (named.complete() && proves));
    if (rules.decided_by_run) {
      EXPECT_NE(events.find('0'), std::string::npos);
    }
    if (rules.told) {
      EXPECT_NE(events.find('t'), std::string::npos);
    }
    if (!rules.decided_by_run) {
      EXPECT_EQ(writers, 0);
    }
  }
}

}  // namespace
}  // namespace nbdstream::stream
