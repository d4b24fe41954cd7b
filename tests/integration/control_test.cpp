// SPDX-License-Identifier: BSD-3-Clause
//
// The control server and `nbdstream ctl`, with real HTTP clients and with peers that do not read or
// do not finish their requests.
#include "support/told_test.hpp"

#include <sys/stat.h>

#include <regex>

namespace nbdstream::test {
namespace {

class ControlServer : public told_test {
 protected:
  /// The port in the log of a server that was started with --metrics 0.
  [[nodiscard]] static std::uint16_t metrics_port(const process& server) {
    static const std::regex line(R"(metrics: http://127\.0\.0\.1:(\d+)/metrics)");
    const auto log = server.err();
    std::smatch port;
    EXPECT_TRUE(std::regex_search(log, port, line)) << log;
    return port.empty() ? std::uint16_t{1} : static_cast<std::uint16_t>(std::stoul(port[1]));
  }

  /// Runs curl(1) over TCP, as http() does over the Unix socket.
  result http_at(std::uint16_t port, const std::string& target, const arguments& more = {}) const {
    arguments all{"curl",
                  "-s",
                  "--max-time",
                  "20",
                  "-w",
                  "\n%{http_code}",
                  "http://127.0.0.1:" + std::to_string(port) + target};
    all.insert(all.end(), more.begin(), more.end());
    return start(all).wait();
  }

  void expect_stops(process& server) const {
    EXPECT_TRUE(ended_with(0, ctl({"stop"})));
    EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  }
};

TEST_F(ControlServer, SocketIsOwnerOnlyByDefaultAndRemovedAtTheEnd) {
  process server = start_told();
  struct stat s {};
  ASSERT_EQ(::stat(path("control").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777U, 0600U);
  expect_stops(server);
  EXPECT_FALSE(std::filesystem::exists(path("control")));
  process another = start_told({"--sink", "null", "--control-mode", "0660"});
  ASSERT_EQ(::stat(path("control").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777U, 0660U);
  expect_stops(another);
}

TEST_F(ControlServer, RefusesTheSocketOfAnotherServer) {
  process server = start_told();
  const result second = nbdstream({"--control", "control", "--sink", "null", "-U", "other"});
  EXPECT_TRUE(ended_with(2, second));
  EXPECT_TRUE(mentions(second.err, "another server"));
  expect_stops(server);
}

TEST_F(ControlServer, MetricsPortRefusesPostsAndForeignHostNames) {
  process server = start_told({"--sink", "null", "--metrics", "0"});
  const auto port = metrics_port(server);
  EXPECT_TRUE(mentions(http_at(port, "/metrics").out, "# TYPE nbdstream_"));
  EXPECT_TRUE(mentions(http_at(port, "/v1/status").out, "\"exports\":["));
  EXPECT_TRUE(mentions(http_at(port, "/healthz").out, "ok\n\n200"));
  EXPECT_TRUE(mentions(http_at(port, "/").out, "\n200"));
  for (const char* target : {"/v1/stop", "/v1/commit", "/v1/exports//abort"}) {
    EXPECT_TRUE(mentions(http_at(port, target, {"-X", "POST"}).out, "\n405")) << target;
  }
  EXPECT_TRUE(mentions(http_at(port, "/v1/status", {"-H", "Host: evil.example"}).out, "\n421"));
  expect_stops(server);
}

TEST_F(ControlServer, MetricsFormatFollowsTheAcceptHeader) {
  process server = start_told({"--sink", "null", "--metrics", "0"});
  const auto port = metrics_port(server);
  const result open =
      http_at(port, "/metrics", {"-i", "-H", "Accept: application/openmetrics-text"});
  EXPECT_TRUE(mentions(open.out, "Content-Type: application/openmetrics-text"));
  EXPECT_TRUE(mentions(open.out, "# EOF"));
  EXPECT_TRUE(mentions(http_at(port, "/metrics", {"-i"}).out, "Content-Type: text/plain"));
  expect_stops(server);
}

/// A hundred connections on each socket send nothing, or begin a request and never end it.
TEST_F(ControlServer, HundredsOfIdleConnectionsDisturbNoStream) {
  process server = start_told({"--sink", "file:out.raw", "--metrics", "0"});
  const auto port = metrics_port(server);
  std::vector<peer> impolite;
  for (int i = 0; i < 100; ++i) {
    impolite.push_back(connect_unix(path("control")));
    impolite.push_back(connect_tcp(port));
    // The server may have closed the first connections by now, to make room.
    for (auto* p = &impolite.back() - 1; p <= &impolite.back(); ++p) {
      if (i % 2 == 0) p->send("GET / HTTP/1.1\r\nHost: ");
    }
  }
  write_in_raw(32 * MiB);
  EXPECT_TRUE(mentions(http_at(port, "/healthz").out, "\n200"));
  EXPECT_TRUE(ended_with(0, ctl({"commit"})));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

/// Each client requests the events, and never reads them.
TEST_F(ControlServer, EventClientsThatNeverReadDisturbNoStream) {
  process server = start_told();
  std::vector<peer> readers;
  for (int i = 0; i < 70; ++i) {
    readers.push_back(connect_unix(path("control")));
    readers.back().send("GET /v1/events HTTP/1.1\r\n\r\n");
  }
  write_in_raw(16 * MiB);
  EXPECT_TRUE(ended_with(0, ctl({"commit"})));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(ControlServer, EventsReportTheOutcomeOfTheStream) {
  process server = start_told();
  process events = start({"curl", "-sN", "--max-time", "30", "--unix-socket", "control",
                          "http://localhost/v1/events"});
  write_in_raw();
  EXPECT_TRUE(ended_with(0, ctl({"commit"})));
  EXPECT_TRUE(ended_with(0, server.wait()));
  const result seen = events.wait();
  EXPECT_TRUE(ended_with(0, seen));
  EXPECT_TRUE(mentions(seen.out, "\"outcome\":\"committed\""));
}

TEST_F(ControlServer, CtlStatusPrintsATableOrJson) {
  process server = start_told({"--sink", "null", "--export-name", "vm 1", "--size", "8M"});
  const result table = ctl({"status"});
  EXPECT_TRUE(mentions(table.out, "EXPORT"));
  EXPECT_TRUE(mentions(table.out, "\"vm 1\"  waiting for client"));
  const result json = ctl({"status", "--json"});
  write_file(path("status.json"), json.out);
  EXPECT_TRUE(ended_with(0, start({"/usr/bin/python3", "-m", "json.tool", "status.json"}).wait()));
  EXPECT_TRUE(mentions(ctl({"commit", "vm2"}).err, "exports are \"vm 1\""));
  EXPECT_TRUE(mentions(ctl({"commit", "vm 1"}).err, "no stream is open"));
  expect_stops(server);
}

TEST_F(ControlServer, CtlReportsWrongArgumentsAndAMissingServer) {
  EXPECT_TRUE(mentions(ctl({"status"}).err, "is nbdstream running, with --control"));
  EXPECT_TRUE(ended_with(1, ctl({"status"})));
  for (const arguments& wrong : {arguments{},
                                 {"comit"},
                                 {"status", "x"},
                                 {"commit", "a", "b"},
                                 {"commit", "--json"},
                                 {"wait", "--reason", "x"},
                                 {"status", "--jsn"},
                                 {"status", "--timeout", "0"},
                                 {"status", "--timeout", "soon"},
                                 {"abort", "--reason"}}) {
    EXPECT_TRUE(ended_with(2, ctl(wrong))) << ::testing::PrintToString(wrong);
  }
  EXPECT_TRUE(mentions(ctl({"comit"}).err, "did you mean \"commit\"?"));
  const result nowhere = start({"nbdstream", "ctl", "status"}).wait();
  EXPECT_TRUE(ended_with(2, nowhere));
  EXPECT_TRUE(mentions(nowhere.err, "NBDSTREAM_CONTROL"));
  EXPECT_TRUE(ended_with(0, start({"nbdstream", "ctl", "--help"}).wait()));
}

TEST_F(ControlServer, CtlWaitFailsIfTheServerIsKilled) {
  process server = start_told();
  process wait = start_ctl({"wait"});
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'abc', 0); h.shutdown()")));
  EXPECT_TRUE(status_says("\"state\":\"waiting_for_decision\""));
  server.signal(SIGKILL);
  const result ended = wait.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "without an answer") ? ::testing::AssertionSuccess()
                                                       : mentions(ended.err, "has ended"));
  server.wait();
}

}  // namespace
}  // namespace nbdstream::test
