// SPDX-License-Identifier: BSD-3-Clause
//
// What is told over HTTP, and the answer to it.
#include "control/service.hpp"

#include "talk.hpp"

namespace nbdstream::test {
namespace {

/// A client that has written "abc" and has left.
void write_all(talk& t) {
  writer_client c(t.r, "c");
  EXPECT_EQ(c.write(0, "abc").error, protocol::wire_error::none);
  c.leave(stream::disconnect::clean);
}

bool mentions(const talk::peer& p, std::string_view part) {
  return p.heard().find(part) != std::string::npos;
}

TEST(Service, AnswersCommitWhenTheSinkHasCommitted) {
  talk t;
  write_all(t);
  t.r.tape.hold = "commit";
  auto& p = t.say(post("/v1/commit"));
  EXPECT_EQ(p.heard(), "");
  t.r.sink->release();
  t.r.settle();
  EXPECT_EQ(p.status(), 200U) << p.heard();
  EXPECT_TRUE(mentions(p, "\"outcome\":\"committed\"")) << p.heard();
  EXPECT_TRUE(t.r.log.says("told to commit"));
}

TEST(Service, Answers502WithTheReasonWhereTheSinkFails) {
  talk t;
  write_all(t);
  t.r.tape.hold = "commit";
  auto& p = t.say(post("/v1/exports//commit"));
  t.r.exported.cancel_commit("the disk is \"full\"");
  t.r.settle();
  EXPECT_EQ(p.status(), 502U) << p.heard();
  EXPECT_TRUE(mentions(p, R"({"error": "the disk is \"full\"", "stream": {)")) << p.heard();
}

TEST(Service, Answers409WithTheReasonWhereNothingWasWritten) {
  talk t;
  auto& p = t.say(post("/v1/commit"));
  EXPECT_EQ(p.status(), 409U);
  EXPECT_TRUE(mentions(p, "no stream is open")) << p.heard();
  EXPECT_TRUE(t.r.log.says("refused: ")) << t.r.log.all();
}

TEST(Service, AnswersAbortWhenTheStreamIsAborted) {
  talk t;
  write_all(t);
  auto& p = t.say("POST /v1/abort HTTP/1.1\r\nContent-Length: 3\r\n\r\nwhy");
  EXPECT_EQ(p.status(), 200U) << p.heard();
  EXPECT_TRUE(mentions(p, "told to abort: why")) << p.heard();
  EXPECT_EQ(t.r.exported.aborted(), 1U);
}

TEST(Service, AnswersAllWhoWaitForTheSameEnd) {
  talk t;
  auto& outcome = t.say(get("/v1/outcome"));
  auto& another = t.say(get("/v1/exports//outcome"));
  write_all(t);
  t.r.tape.hold = "commit";
  auto& commit = t.say(post("/v1/commit"));
  auto& again = t.say(post("/v1/commit"));
  for (const auto& p : t.peers) EXPECT_EQ(p.heard(), "");
  t.r.sink->release();
  t.r.settle();
  for (const auto* p : {&outcome, &another, &commit, &again}) {
    EXPECT_EQ(p->status(), 200U) << p->heard();
    EXPECT_TRUE(mentions(*p, "committed"));
  }
  EXPECT_EQ(t.r.tape.streams.size(), 1U);
}

TEST(Service, GoesOnWithACommitWhoseClientHasGone) {
  talk t;
  write_all(t);
  t.r.tape.hold = "commit";
  auto& p = t.say(post("/v1/commit"));
  p.tape.hang_up();
  t.r.settle();
  EXPECT_TRUE(p.done) << "nobody waits any more";
  t.r.sink->release();
  t.r.settle();
  EXPECT_EQ(t.r.exported.committed(), 1U);
}

TEST(Service, KeepsNothingOfClientsThatWaitAndGo) {
  talk t;
  for (int i = 0; i < 100; ++i) {
    auto& p = t.say(get("/v1/outcome"));
    p.tape.hang_up();
    t.r.settle();
    EXPECT_TRUE(p.done);
  }
  auto& last = t.say(get("/v1/outcome"));
  write_all(t);
  t.say(post("/v1/commit"));
  EXPECT_EQ(last.status(), 200U);
}

TEST(Service, StopsTheProcess) {
  talk t;
  EXPECT_EQ(t.say(get("/v1/stop")).status(), 405U);
  EXPECT_FALSE(t.process.stopped);
  EXPECT_EQ(t.say(post("/v1/stop")).status(), 200U);
  EXPECT_TRUE(t.process.stopped);
}

TEST(Service, AtTheEndOfTheProcessAnswersWhoWaitsAndEndsTheConnection) {
  talk t;
  auto& waits = t.say(get("/v1/outcome"));
  auto& idle = t.say(get("/healthz"));
  auto& asks = t.say("");
  t.r.exported.stop("a signal");
  t.all.begin_to_end();
  for (auto& p : t.peers) {
    if (&p == &asks) p.tape.send(get("/healthz"));  // it comes at this very moment
    p.served->close_if_idle();
  }
  t.r.settle();
  EXPECT_EQ(waits.status(), 409U) << waits.heard();
  EXPECT_EQ(asks.status(), 200U) << asks.heard();
  for (const auto* p : {&waits, &idle, &asks}) EXPECT_TRUE(p->done);
  EXPECT_TRUE(mentions(waits, "Connection: close"));
}

TEST(Service, AtTheEndOfAProcessWhoseSinkIsStuckSaysThatNothingIsKnown) {
  talk t;
  write_all(t);
  t.r.tape.hold = "commit";
  t.r.tape.deaf = true;
  auto& p = t.say(post("/v1/commit"));
  t.all.begin_to_end();
  t.all.abort_waiters();
  t.r.settle();
  EXPECT_EQ(p.status(), 502U) << p.heard();
  EXPECT_TRUE(mentions(p, "has not returned")) << p.heard();
  EXPECT_TRUE(p.done);
  t.r.tape.deaf = false;
}

}  // namespace
}  // namespace nbdstream::test
