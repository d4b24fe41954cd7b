// SPDX-License-Identifier: BSD-3-Clause
//
// Peers of the control server, as polite or impolite as they come.
#include "control/http_connection.hpp"

#include "talk.hpp"

namespace nbdstream::test {
namespace {

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(HttpConnection, AnswersOneRequestAfterAnotherAndStays) {
  talk t;
  auto& p = t.say(get("/healthz") + get("/nothing"));
  EXPECT_TRUE(p.heard().starts_with("HTTP/1.1 200 OK\r\n")) << p.heard();
  EXPECT_EQ(count(p.heard(), "\r\n\r\nok\nHTTP/1.1 404 Not Found\r\n"), 1U) << p.heard();
  EXPECT_FALSE(p.done);
  p.tape.send(get("/healthz"));
  t.r.settle();
  EXPECT_EQ(count(p.heard(), "200 OK"), 2U);
  EXPECT_EQ(count(p.heard(), "Connection: keep-alive"), 3U);
}

TEST(HttpConnection, EndsWhereItsPeerWantsThat) {
  talk t;
  auto& p = t.say("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(p.status(), 200U);
  EXPECT_EQ(count(p.heard(), "Connection: close"), 1U);
  EXPECT_TRUE(p.done);
}

TEST(HttpConnection, TellsTheLengthForHeadAndSendsNoBody) {
  talk t;
  auto& p = t.say("HEAD /healthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(count(p.heard(), "Content-Length: 3\r\n"), 1U) << p.heard();
  EXPECT_TRUE(p.heard().ends_with("\r\n\r\n")) << p.heard();
}

TEST(HttpConnection, SaysContinueToWhoWaitsForIt) {
  talk t;
  auto& p = t.say("POST /v1/abort HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(p.heard(), "HTTP/1.1 100 Continue\r\n\r\n");
  p.tape.send("why");
  t.r.settle();
  EXPECT_EQ(count(p.heard(), "409 Conflict"), 1U) << p.heard();
}

TEST(HttpConnection, KeepsBrowsersFromLoadingAnythingElseForThePage) {
  talk t;
  EXPECT_EQ(count(t.say(get("/")).heard(), "Content-Security-Policy: default-src 'none'; "), 1U);
  const auto& status = t.say(get("/v1/status")).heard();
  EXPECT_EQ(count(status, "X-Content-Type-Options: nosniff\r\n"), 1U);
  EXPECT_EQ(count(status, "Cache-Control: no-store\r\n"), 1U);
  EXPECT_EQ(count(status, "Content-Security-Policy"), 0U);
}

TEST(HttpConnection, RefusesWhatIsNoRequestAndEnds) {
  talk t;
  auto& p = t.say("nonsense\r\n\r\n" + get("/healthz"));
  EXPECT_EQ(p.status(), 400U);
  EXPECT_EQ(count(p.heard(), "HTTP/1.1"), 1U) << p.heard();
  p.tape.hang_up();
  t.r.settle();
  EXPECT_TRUE(p.done);
}

TEST(HttpConnection, EndsWithItsPeerWhereverThatStops) {
  const auto whole = post("/v1/abort") + get("/v1/status");
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    talk t;
    auto& p = t.begin(whole.substr(0, cut));
    p.tape.stays = false;
    t.r.settle();
    EXPECT_TRUE(p.done) << cut;
  }
}

TEST(HttpConnection, EndsWhereAnyCallFails) {
  for (const auto how : {fault::reset, fault::end, fault::one_byte, fault::cancel}) {
    for (std::size_t call = 0;; ++call) {
      talk t;
      auto& p = t.begin(get("/v1/status") + get("/healthz"));
      p.tape.stays = false;
      p.tape.fail_at = call;
      p.tape.fail_how = how;
      t.r.settle();
      EXPECT_TRUE(p.done) << call;
      if (!p.tape.failed) break;
    }
  }
}

TEST(HttpConnection, IsClosedWhereNothingIsAsked) {
  talk t(told(), short_patience());
  auto& p = t.begin("");
  EXPECT_TRUE(run_until(t.r.loop, [&] { return p.done; }));
  EXPECT_EQ(p.heard(), "");
}

/// Its bytes do not prolong the time for the whole request.
TEST(HttpConnection, IsClosedWhereARequestComesByteForByteForTooLong) {
  talk t(told(), short_patience());
  auto& p = t.begin("GET / HTTP/1.1\r\nA: ");
  auto next = io::clock::now();
  const bool closed = run_until(t.r.loop, [&] {
    if (!p.done && io::clock::now() >= next) {
      p.tape.send("b");
      next = io::clock::now() + std::chrono::milliseconds(5);
    }
    return p.done;
  });
  EXPECT_TRUE(closed);
  EXPECT_EQ(p.heard(), "") << "it is not the length that was too much";
}

TEST(HttpConnection, IsClosedWhereItIsIdleForTooLong) {
  talk t(told(), short_patience());
  auto& p = t.begin(get("/healthz"));
  EXPECT_TRUE(run_until(t.r.loop, [&] { return p.done; }));
  EXPECT_EQ(p.status(), 200U);
}

TEST(HttpConnection, IsClosedWhereItsPeerTakesNothing) {
  for (const char* path : {"/v1/status", "/v1/events"}) {
    talk t(told(), short_patience());
    auto& p = t.begin(get(path));
    p.tape.reads = false;
    EXPECT_TRUE(run_until(t.r.loop, [&] { return p.done; })) << path;
    EXPECT_LE(p.tape.most_offered, 16U << 10);
  }
}

TEST(Events, ComeAtOnceAndThenFromTimeToTimeAndALastOne) {
  talk t(told(), short_patience());
  auto& p = t.begin(get("/v1/events"));
  EXPECT_TRUE(run_until(t.r.loop, [&] { return count(p.heard(), "\ndata: {") >= 3; }));
  EXPECT_EQ(count(p.heard(), "Content-Type: text/event-stream\r\n"), 1U);
  EXPECT_EQ(count(p.heard(), "waiting_for_client"), count(p.heard(), "data: "));
  EXPECT_FALSE(p.done);
  t.r.exported.stop("all is over");
  t.r.settle();
  t.all.begin_to_end();
  t.r.settle();
  EXPECT_TRUE(p.done);
  EXPECT_EQ(count(p.heard(), "\"state\":\"ended\""), 1U) << p.heard();
}

TEST(Events, OfOneMomentAreMadeOnce) {
  talk t;
  const auto first = t.all.event();
  EXPECT_EQ(t.all.event(), first);
}

TEST(Events, AreOnlyAnnouncedForHead) {
  talk t;
  auto& p = t.say("HEAD /v1/events HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(p.heard().ends_with("\r\n\r\n")) << p.heard();
  EXPECT_TRUE(p.done);
}

}  // namespace
}  // namespace nbdstream::test
