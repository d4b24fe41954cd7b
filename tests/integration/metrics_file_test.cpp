// SPDX-License-Identifier: BSD-3-Clause
//
// --metrics-file, the file that node_exporter reads.
#include "support/integration_test.hpp"

#include <regex>
#include <sstream>

namespace nbdstream::test {
namespace {

class MetricsFile : public integration_test {
 protected:
  /// The value of the sample that begins with `name`.
  [[nodiscard]] std::string value(const std::string& name) const {
    std::istringstream lines(read_file(path("nbd.prom")));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name)) return line.substr(line.rfind(' ') + 1);
    }
    return "none";
  }
  void expect_promtool_content() const {
    const auto ended = start_shell("promtool check metrics < nbd.prom").wait();
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_EQ(ended.out + ended.err, "");
  }
};

TEST_F(MetricsFile, ExistsBeforeFirstStream) {
  process server = start_listening({"--metrics-file", "nbd.prom", "--sink", "null"});
  wait_for("nbd.prom");
  expect_promtool_content();
  EXPECT_EQ(value("nbdstream_streams_total"), "0");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(MetricsFile, FinalNumbersEqualThoseOfLog) {
  make_disk();
  const auto ended = nbdstream({"--metrics-file", "nbd.prom", "--sink", "null", "--run", convert});
  EXPECT_TRUE(ended_with(0, ended));
  const std::regex summary("committed, ([0-9]+) bytes, ([0-9]+) of them zeroes");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(ended.err, found, summary)) << ended.err;
  EXPECT_EQ(value("nbdstream_stream_sent_bytes_total"), found[1]);
  EXPECT_EQ(value("nbdstream_stream_zero_bytes_total"), found[2]);
  EXPECT_NE(found[2], "0");
  EXPECT_EQ(value(R"(nbdstream_streams_total{export="",sink="null",outcome="committed"})"), "1");
  EXPECT_EQ(value(R"(nbdstream_export_state{export="",sink="null",state="ended"})"), "1");
  expect_promtool_content();
}

TEST_F(MetricsFile, CountsAbortedStream) {
  const auto command = client_command("h.pwrite(b'hello', 0)") + "; exit 3";
  EXPECT_TRUE(
      ended_with(3, nbdstream({"--metrics-file", "nbd.prom", "--sink", "null", "--run", command})));
  EXPECT_EQ(value(R"(nbdstream_streams_total{export="",sink="null",outcome="aborted"})"), "1");
  EXPECT_EQ(value("nbdstream_stream_last_commit_timestamp_seconds"), "none");
}

TEST_F(MetricsFile, UnwritablePathIsOneWarningAndNoFailure) {
  const auto ended = nbdstream({"--metrics-file", "missing/nbd.prom", "--sink", "null", "--run",
                                client_command("h.pwrite(b'hello', 0)")});
  EXPECT_TRUE(ended_with(0, ended));
  const auto first = ended.err.find("warning: --metrics-file missing/nbd.prom: cannot be written");
  ASSERT_NE(first, std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find("--metrics-file", first + 30), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace nbdstream::test
