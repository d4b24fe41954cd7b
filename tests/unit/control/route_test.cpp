// SPDX-License-Identifier: BSD-3-Clause
#include "control/route.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nbdstream::control {
namespace {

using kind = action::kind;

const std::vector<std::string> one{""};
const std::vector<std::string> several{"", "vm1", "a/b c"};

request get(const std::string& target) {
  request r;
  r.method = "GET";
  r.target = target;
  r.host = "localhost";
  return r;
}
request post(const std::string& target, const std::string& body = {}) {
  auto r = get(target);
  r.method = "POST";
  r.body = body;
  return r;
}

std::variant<action, answer> routed(const request& r, place where = place::control,
                                    const std::vector<std::string>& exports = one) {
  return route(r, {.where = where, .host = "backup.example", .exports = exports});
}
/// The action that is asked for; a failure where it is refused.
action asked(const request& r, place where = place::control,
             const std::vector<std::string>& exports = one) {
  const auto d = routed(r, where, exports);
  if (const auto* const no = std::get_if<answer>(&d)) {
    ADD_FAILURE() << r.method << ' ' << r.target << ": " << no->body;
    return {};
  }
  return std::get<action>(d);
}
/// What it is refused with; a failure where it is not.
answer refused(const request& r, place where = place::control,
               const std::vector<std::string>& exports = one) {
  const auto d = routed(r, where, exports);
  if (const auto* const no = std::get_if<answer>(&d)) return *no;
  ADD_FAILURE() << r.method << ' ' << r.target << " is not refused";
  return {};
}

TEST(Route, ReadsTheSameAtBothPlaces) {
  for (const auto where : {place::control, place::metrics}) {
    EXPECT_EQ(asked(get("/"), where).what, kind::page);
    EXPECT_EQ(asked(get("/healthz"), where).what, kind::health);
    EXPECT_EQ(asked(get("/metrics?x=y"), where).what, kind::metrics);
    EXPECT_EQ(asked(get("/v1/status"), where).what, kind::status);
    EXPECT_EQ(asked(get("/v1/events"), where).what, kind::events);
    EXPECT_EQ(asked(get("/v1/outcome"), where).what, kind::outcome);
  }
}

TEST(Route, TakesWhatChangesSomethingOnTheUnixSocketOnly) {
  EXPECT_EQ(asked(post("/v1/commit")).what, kind::commit);
  EXPECT_EQ(asked(post("/v1/abort")).what, kind::abort);
  EXPECT_EQ(asked(post("/v1/stop")).what, kind::stop);
  for (const char* path : {"/v1/commit", "/v1/abort", "/v1/stop", "/v1/exports//commit"}) {
    const auto no = refused(post(path), place::metrics);
    EXPECT_EQ(no.status, 405U) << path;
    EXPECT_EQ(no.allow, "GET, HEAD");
    EXPECT_EQ(refused(get(path)).allow, "POST") << path;
  }
  EXPECT_EQ(refused(post("/metrics"), place::metrics).status, 405U);
  EXPECT_EQ(refused(post("/v1/status")).allow, "GET, HEAD");
}

TEST(Route, FindsExportsByTheirNames) {
  EXPECT_EQ(asked(post("/v1/exports//commit"), place::control, several).export_name, "");
  EXPECT_EQ(asked(post("/v1/exports/vm1/abort"), place::control, several).export_name, "vm1");
  for (const char* path : {"/v1/exports/a%2Fb%20c/outcome", "/v1/exports/a/b%20c/outcome"}) {
    EXPECT_EQ(asked(get(path), place::control, several).export_name, "a/b c") << path;
  }
}

TEST(Route, NamesTheExportsThatThereAre) {
  const auto unknown = refused(post("/v1/exports/vm2/commit"), place::control, several);
  EXPECT_EQ(unknown.status, 404U);
  EXPECT_NE(unknown.body.find("vm1"), std::string::npos) << unknown.body;
  const auto which = refused(post("/v1/commit"), place::control, several);
  EXPECT_EQ(which.status, 404U);
  EXPECT_NE(which.body.find("vm1"), std::string::npos) << which.body;
  EXPECT_EQ(refused(post("/v1/exports/%zz/commit")).status, 400U);
}

TEST(Route, KnowsNoOtherPath) {
  for (const char* path :
       {"", "*", "/v1", "/v1/", "//", "/V1/status", "/v1/exports", "/v1/exports/",
        "/v1/exports/commit", "/v1/status/", "/../v1/status", "/index.html"}) {
    EXPECT_EQ(refused(get(path)).status, 404U) << path;
  }
}

TEST(Route, HeadIsGetWithoutTheBody) {
  auto r = get("/v1/status");
  r.method = "HEAD";
  EXPECT_TRUE(asked(r).without_body);
  EXPECT_FALSE(asked(get("/v1/status")).without_body);
}

TEST(Route, ChoosesTheFormOfMetricsByAccept) {
  auto r = get("/metrics");
  r.accept = "text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
  EXPECT_EQ(asked(r).form, status::metrics_format::prometheus);
  r.accept = "application/openmetrics-text;version=1.0.0;q=0.5," + r.accept;
  EXPECT_EQ(asked(r).form, status::metrics_format::openmetrics);
}

TEST(Route, TakesAReasonAsTextOrParameterOrForm) {
  EXPECT_EQ(asked(post("/v1/abort", "disk full: 50%\n")).reason, "disk full: 50%");
  EXPECT_EQ(asked(post("/v1/abort?reason=disk+full%21", "other")).reason, "disk full!");
  auto form = post("/v1/abort", "reason=disk+full");
  form.content_type = "application/x-www-form-urlencoded";
  EXPECT_EQ(asked(form).reason, "disk full");
  form.body = "disk full";  // curl -d 'disk full'
  EXPECT_EQ(asked(form).reason, "disk full");
}

TEST(Route, RefusesAReasonThatIsTooLongOrNoText) {
  EXPECT_EQ(asked(post("/v1/abort", std::string(longest_reason, 'x'))).reason.size(),
            longest_reason);
  EXPECT_EQ(refused(post("/v1/abort", std::string(longest_reason + 1, 'x'))).status, 413U);
  EXPECT_EQ(refused(post("/v1/abort", "\xff")).status, 400U);
  EXPECT_EQ(refused(post("/v1/abort?reason=%C3")).status, 400U);
  EXPECT_EQ(refused(post("/v1/abort?reason=%")).status, 400U);
}

TEST(Route, OverTcpServesNoNameOfSomebodyElse) {
  auto r = get("/v1/status");
  for (const char* host : {"127.0.0.1:9110", "[::1]:1", "localhost", "backup.example"}) {
    r.host = host;
    EXPECT_EQ(asked(r, place::metrics).what, kind::status) << host;
  }
  for (const char* host : {"evil.example", ""}) {
    r.host = host;
    EXPECT_EQ(refused(r, place::metrics).status, 421U) << host;
    EXPECT_EQ(asked(r).what, kind::status) << "nobody's DNS names a Unix socket";
  }
  r.http_1_0 = true;
  EXPECT_EQ(asked(r, place::metrics).what, kind::status) << "HTTP/1.0 has no Host";
  r.host = "localhost";
  r.target = "http://evil.example/v1/status";
  EXPECT_EQ(refused(r, place::metrics).status, 421U) << "it counts more than Host";
}

/// Through ssh -L, say, which makes the Unix socket a port of somebody's desktop.
TEST(Route, TakesNothingFromAPageOfAnotherServer) {
  auto r = post("/v1/commit");
  r.host = "localhost:8080";
  for (const char* origin : {"http://evil.example", "null", "http://localhost:8081"}) {
    r.origin = origin;
    EXPECT_EQ(refused(r).status, 403U) << origin;
  }
  r.origin = "http://localhost:8080";
  EXPECT_EQ(asked(r).what, kind::commit);
  r.host = "evil.example";
  r.origin = "http://evil.example";
  EXPECT_EQ(refused(r).status, 403U) << "a name that points here";
}

}  // namespace
}  // namespace nbdstream::control
