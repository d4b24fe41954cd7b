// SPDX-License-Identifier: BSD-3-Clause
//
// --end told: a stream ends by a command to commit or to abort.
#include "server/export.hpp"

#include "telling.hpp"
#include "writer_client.hpp"

#include <optional>

namespace nbdstream::test {
namespace {

using result = nbd_export::told::result;
using protocol::wire_error;
using std::chrono::milliseconds;

nbd_export::settings told(nbd_export::settings s = rig::plain()) {
  s.told = true;
  return s;
}
nbd_export::settings told_with_grace(milliseconds grace) {
  auto s = told();
  s.run_grace = grace;
  return s;
}

struct outcome_wait {
  std::optional<status::outcome> outcome;
  bool done = false;
};
awaitable<void> outcome_into(nbd_export& e, outcome_wait& w) {
  w.outcome = co_await e.next_outcome();
}
void begin_wait(rig& r, outcome_wait& w) {
  spawn(r.loop, outcome_into(r.exported, w), &w.done);
  r.settle();
}

void write_and_leave(rig& r, std::string data) {
  writer_client c(r, "c");
  EXPECT_EQ(c.write(0, std::move(data)).error, wire_error::none);
  c.leave(stream::disconnect::clean);
}

TEST(EndTold, DisconnectDoesNotEndTheStream) {
  rig r(told());
  for (const auto how : {stream::disconnect::clean, stream::disconnect::eof}) {
    writer_client c(r, "c");
    c.write(how == stream::disconnect::clean ? 0 : 3, "abc");
    c.leave(how);
    EXPECT_EQ(r.exported.snapshot().now, status::state::waiting_for_decision);
  }
  EXPECT_EQ(commit(r).what, result::done);
  EXPECT_EQ(r.tape.data(), "abcabc");
}

TEST(EndTold, CommitAnswersWithTheOutcome) {
  rig r(told());
  write_and_leave(r, "abc");
  const auto answer = commit(r);
  EXPECT_EQ(answer.what, result::done);
  EXPECT_TRUE(answer.stream.committed);
  EXPECT_EQ(answer.stream.count.sent, 3U);
  EXPECT_TRUE(r.export_done);
}

TEST(EndTold, AbortReasonIsInOutcomeAndLog) {
  rig r(told());
  write_and_leave(r, "abc");
  telling t;
  begin_abort(r, t);
  ASSERT_TRUE(t.done);
  EXPECT_EQ(t.answer->what, result::done);
  EXPECT_EQ(t.answer->stream.reason, "told to abort: the job failed");
  EXPECT_EQ(r.exported.aborted(), 1U);
  EXPECT_TRUE(r.log.says("told to abort: the job failed"));
}

TEST(EndTold, AbortEndsAStreamWithAConnectedWriter) {
  rig r(told());
  writer_client c(r, "c");
  c.write(0, "abc");
  telling t;
  begin_abort(r, t);
  EXPECT_EQ(t.answer->what, result::done);
  EXPECT_EQ(c.write(3, "more").error, wire_error::io);
}

TEST(EndTold, CommitWaitsForWritersToDisconnect) {
  rig r(told());
  writer_client c(r, "c");
  c.write(0, "abc");
  telling t;
  begin_commit(r, t);
  EXPECT_FALSE(t.done);
  EXPECT_EQ(c.write(3, "def").error, wire_error::none) << "it is still open";
  c.leave(stream::disconnect::eof);
  ASSERT_TRUE(t.done);
  EXPECT_EQ(t.answer->what, result::done);
  EXPECT_EQ(r.tape.data(), "abcdef");
}

TEST(EndTold, CommitIsRefusedIfAWriterStaysBeyondTheGrace) {
  rig r(told_with_grace(milliseconds(20)));
  writer_client c(r, "c");
  c.write(0, "abc");
  telling t;
  begin_commit(r, t);
  ASSERT_TRUE(run_until(r.loop, [&] { return t.done; }));
  EXPECT_EQ(t.answer->what, result::conflict);
  EXPECT_EQ(t.answer->why, "a client that wrote is still connected");
  EXPECT_TRUE(r.exported.stream_open());
  c.write(3, "def");
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(commit(r).what, result::done);
}

TEST(EndTold, CommitIsRefusedDuringARequest) {
  rig r(told());
  r.tape.hold = "write";
  writer_client c(r, "c");
  c.who().in_request = true;
  c.begin_write(0, "abc");
  r.settle();
  EXPECT_EQ(commit(r).why, "a client's request is not answered yet");
  c.who().in_request = false;
  r.sink->release();
  r.settle();
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(commit(r).what, result::done);
}

TEST(EndTold, CommitIsRefusedWithoutAStream) {
  rig r(told());
  EXPECT_EQ(commit(r).what, result::conflict);
  EXPECT_TRUE(r.tape.calls.empty());
  EXPECT_FALSE(r.export_done) << "a client may still come";
}

/// It skips zeroes, and there was nothing else.
TEST(EndTold, CommitAfterAClientWithoutWritesYieldsZeroes) {
  rig r(told(rig::sized(10)));
  EXPECT_EQ(commit(r).what, result::conflict) << "no client was connected";
  writer_client c(r, "c");
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(commit(r).what, result::done);
  EXPECT_EQ(r.tape.data(), std::string(10, '\0'));
}

TEST(EndTold, CommitReportsGapsAndSucceedsOnceTheyAreFilled) {
  rig r(refusing_gaps(told(rig::sized(1000))));
  {
    writer_client c(r, "c");
    c.zero(0, 512);
    c.leave(stream::disconnect::clean);
  }
  const auto answer = commit(r);
  EXPECT_EQ(answer.what, result::conflict);
  EXPECT_NE(answer.why.find("488 bytes were not covered"), std::string::npos) << answer.why;
  writer_client c(r, "c");
  EXPECT_EQ(c.zero(512, 488).error, wire_error::none);
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(commit(r).what, result::done);
}

TEST(EndTold, TwoCommitsGetTheSameAnswer) {
  rig r(told());
  r.tape.hold = "commit";
  write_and_leave(r, "abc");
  telling first, second;
  begin_commit(r, first);
  begin_commit(r, second);
  EXPECT_FALSE(first.done || second.done);
  r.sink->release();
  r.settle();
  ASSERT_TRUE(first.done && second.done);
  EXPECT_EQ(first.answer->what, result::done);
  EXPECT_EQ(second.answer->what, result::done);
  EXPECT_EQ(r.exported.committed(), 1U);
}

TEST(EndTold, CancelledCommitIsAnsweredAsFailed) {
  rig r(told());
  r.tape.hold = "commit";
  write_and_leave(r, "abc");
  telling t;
  begin_commit(r, t);
  r.exported.cancel_commit("the disk is full");
  r.settle();
  ASSERT_TRUE(t.done);
  EXPECT_EQ(t.answer->what, result::failed);
  EXPECT_EQ(t.answer->why, "the disk is full");
  EXPECT_FALSE(t.answer->stream.committed);
}

TEST(EndTold, StreamFailureDuringCommitIsAConflict) {
  rig r(told());
  writer_client c(r, "c");
  c.write(10, "abc");
  telling t;
  begin_commit(r, t);
  EXPECT_FALSE(t.done);
  EXPECT_EQ(c.write(0, "behind").error, wire_error::inval);
  ASSERT_TRUE(t.done);
  EXPECT_EQ(t.answer->what, result::conflict);
  EXPECT_NE(t.answer->why, "");
  EXPECT_FALSE(t.answer->stream.committed);
}

TEST(EndTold, AbortDuringACommitWinsAndBothAreAnswered) {
  rig r(told());
  r.tape.hold = "commit";
  write_and_leave(r, "abc");
  telling committing, aborting;
  begin_commit(r, committing);
  begin_abort(r, aborting);
  ASSERT_TRUE(committing.done && aborting.done);
  EXPECT_EQ(committing.answer->what, result::failed);
  EXPECT_EQ(aborting.answer->what, result::done);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST(EndTold, CommitIsRefusedWithoutEndTold) {
  rig r;
  writer_client c(r, "c");
  c.write(0, "abc");
  const auto answer = commit(r);
  EXPECT_EQ(answer.what, result::conflict);
  EXPECT_NE(answer.why.find("--end told"), std::string::npos) << answer.why;
  c.leave(stream::disconnect::clean);
  EXPECT_EQ(r.exported.committed(), 1U);
}

TEST(EndTold, StopAbortsAnUndecidedStream) {
  rig r(told());
  write_and_leave(r, "abc");
  r.exported.stop("signal 15");
  r.settle();
  EXPECT_EQ(r.exported.aborted(), 1U);
  EXPECT_TRUE(r.tape.all_ended_once());
}

TEST(NextOutcome, BelongsToTheOpenOrTheNextStream) {
  auto s = rig::streams(0);
  rig r(told(s));
  outcome_wait before, during;
  begin_wait(r, before);
  write_and_leave(r, "abc");
  begin_wait(r, during);
  EXPECT_FALSE(before.done || during.done);
  commit(r);
  ASSERT_TRUE(before.done && during.done);
  EXPECT_EQ(before.outcome->id, 1U);
  EXPECT_EQ(during.outcome->id, 1U);
  outcome_wait after;
  begin_wait(r, after);
  EXPECT_FALSE(after.done) << "of the next one";
  write_and_leave(r, "def");
  commit(r);
  ASSERT_TRUE(after.done);
  EXPECT_EQ(after.outcome->id, 2U);
}

TEST(NextOutcome, IsNoneAfterAStop) {
  rig r(told(rig::streams(0)));
  write_and_leave(r, "abc");
  commit(r);
  outcome_wait w;
  begin_wait(r, w);
  r.exported.stop("signal 15");
  r.settle();
  ASSERT_TRUE(w.done);
  EXPECT_FALSE(w.outcome) << "that of an earlier one is not what was asked for";
}

TEST(NextOutcome, OfTheOnlyStreamIsKeptAfterItsEnd) {
  rig r(told());
  write_and_leave(r, "abc");
  commit(r);
  outcome_wait w;
  begin_wait(r, w);
  ASSERT_TRUE(w.done && w.outcome);
  EXPECT_TRUE(w.outcome->committed);
}

TEST(NextOutcome, IsNoneWhenTheExportGivesUp) {
  rig r(told());
  write_and_leave(r, "abc");
  r.tape.hold = "commit";
  telling t;
  begin_commit(r, t);
  outcome_wait w;
  begin_wait(r, w);
  r.exported.mark_lost();
  r.settle();
  EXPECT_TRUE(w.done && t.done);
  EXPECT_FALSE(w.outcome);
  EXPECT_NE(t.answer->what, result::done);
}

}  // namespace
}  // namespace nbdstream::test
