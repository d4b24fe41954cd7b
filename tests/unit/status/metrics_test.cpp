// SPDX-License-Identifier: BSD-3-Clause
//
// The metrics as those read them who are to: promtool, and the strict parser of Prometheus' own
// client library for Python.
#include "status/metrics.hpp"

#include "examples.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>

#include <gtest/gtest.h>

#include <sstream>

namespace nbdstream::status {
namespace {

/// Prints each sample as Prometheus has it, after a look at names, types and units.
const std::string parser = R"(
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
for family in families(sys.stdin.buffer.read().decode()):
    for s in family.samples:
        print(s.name, sorted(s.labels.items()), float(s.value))
)";

class Metrics : public ::testing::Test {
 protected:
  [[nodiscard]] test::result run(std::vector<std::string> argv, const std::string& input) const {
    test::write_file(directory_ / "input", input);
    const test::file_descriptor in(::open((directory_ / "input").c_str(), O_RDONLY | O_CLOEXEC));
    test::process::options how;
    how.in = in.get();
    return test::process(std::move(argv), how).wait();
  }

  /// Whether promtool finds nothing to complain of.
  [[nodiscard]] ::testing::AssertionResult checked(const std::string& text) const {
    const auto ended = run({"promtool", "check", "metrics"}, text);
    if (ended.status == 0 && ended.out.empty() && ended.err.empty()) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << ended.status << ended.out << ended.err << text;
  }

  [[nodiscard]] test::result parsed_openmetrics(const process& p) const {
    return run({"/usr/bin/python3", "-c", parser}, to_metrics(p, metrics_format::openmetrics));
  }

  static std::string text(std::vector<exported> exports) {
    return to_metrics(example(std::move(exports)), metrics_format::prometheus);
  }

 private:
  test::temp_directory directory_;
};

bool has_line(const std::string& text, const std::string& wanted) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line == wanted) return true;
  }
  return false;
}

TEST_F(Metrics, AreWhatPromtoolExpectsInEachState) {
  for (auto& e : {idle_export(), streaming_export(), ended_export()})
    EXPECT_TRUE(checked(text({e})));
  EXPECT_TRUE(checked(text({idle_export(), streaming_export(), ended_export()})));
}

TEST_F(Metrics, AreWhatPromtoolExpectsWhateverAnExportIsCalled) {
  EXPECT_TRUE(checked(text({idle_export(""), idle_export("a\xff\"\\\n\x01\r\t}{,="),
                            idle_export("\xc3\xa9t\xc3\xa9"), idle_export("\\"),
                            idle_export(std::string(4096, '"'))})));
}

TEST_F(Metrics, EscapeTheNameOfAnExport) {
  EXPECT_TRUE(has_line(text({idle_export("a\"b\\c\nd")}),
                       R"(nbdstream_stream_sent_bytes_total{export="a\"b\\c\nd",sink="null"} 0)"));
}

TEST_F(Metrics, SayInOpenMetricsTheSame) {
  const auto p = example({idle_export("a\xff\"\\\n\x01"), streaming_export(), ended_export("")});
  const auto ended = parsed_openmetrics(p);
  ASSERT_EQ(ended.status, 0) << ended.err;
  for (const std::string line :
       {"nbdstream_build_info [('version', '1.2.3')] 1.0",
        "nbdstream_stream_sent_bytes_total [('export', 'vm1'), ('sink', 'fifo')] 90001.0",
        "nbdstream_streams_total [('export', ''), ('outcome', 'committed'), ('sink', 'null')] 1.0",
        "nbdstream_export_size_bytes [('export', 'vm1'), ('sink', 'fifo')] 4096.0"}) {
    EXPECT_TRUE(has_line(ended.out, line)) << line << '\n' << ended.out;
  }
}

TEST_F(Metrics, NameTheUnitAndTheTypeOfAFamilyInOpenMetrics) {
  const auto all = to_metrics(example({idle_export()}), metrics_format::openmetrics);
  EXPECT_TRUE(has_line(all, "# TYPE nbdstream_stream_sent_bytes counter"));
  EXPECT_TRUE(has_line(all, "# UNIT nbdstream_stream_sent_bytes bytes"));
  EXPECT_TRUE(has_line(all, "# TYPE nbdstream_build info"));
  EXPECT_TRUE(all.ends_with("\n# EOF\n"));
}

TEST_F(Metrics, CountTheStreamsByHowTheyEnded) {
  const auto all = text({streaming_export()});
  const std::string name = R"(nbdstream_streams_total{export="vm1",sink="fifo",outcome=)";
  EXPECT_TRUE(has_line(all, name + R"("committed"} 5)"));
  EXPECT_TRUE(has_line(all, name + R"("aborted"} 1)"));
}

TEST_F(Metrics, SayWhenAStreamWasCommittedLastAndHowLongTheLastTook) {
  const auto all = text({streaming_export(), idle_export()});
  const std::string labels = R"({export="vm1",sink="fifo"} )";
  EXPECT_TRUE(
      has_line(all, "nbdstream_stream_last_commit_timestamp_seconds" + labels + "1795759201.250"));
  EXPECT_TRUE(has_line(all, "nbdstream_stream_last_duration_seconds" + labels + "0.750"));
  EXPECT_EQ(all.find(R"(timestamp_seconds{export="idle")"), all.npos);
}

TEST_F(Metrics, Have1ForTheStateOfAnExportAndOnlyForThat) {
  const auto all = text({streaming_export()});
  const std::string name = R"(nbdstream_export_state{export="vm1",sink="fifo",state=)";
  for (int i = 0; i <= static_cast<int>(state::ended); ++i) {
    const auto each = static_cast<state>(i);
    const std::string value = each == state::streaming ? "1" : "0";
    EXPECT_TRUE(has_line(all, name + '"' + std::string(word_for(each)) + "\"} " + value)) << all;
  }
}

TEST_F(Metrics, HaveNoSizeWhereItIsNotKnown) {
  EXPECT_EQ(text({idle_export()}).find("\nnbdstream_export_size_bytes{"), std::string::npos);
}

}  // namespace
}  // namespace nbdstream::status
