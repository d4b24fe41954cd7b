// SPDX-License-Identifier: BSD-3-Clause
//
// JSON, metrics and progress show the same numbers of one snapshot.
#include "examples.hpp"
#include "status/figures.hpp"
#include "status/json.hpp"
#include "status/metrics.hpp"
#include "status/progress.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <map>
#include <sstream>

namespace nbdstream::status {
namespace {

using boost::json::value;

/// The samples of the metrics, each with its labels as they stand there.
std::map<std::string, double> samples_of(const process& p) {
  std::map<std::string, double> samples;
  std::istringstream lines(to_metrics(p, metrics_format::prometheus));
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.rfind(' ');
    if (!line.starts_with('#')) samples[line.substr(0, end)] = std::stod(line.substr(end));
  }
  return samples;
}

class Agreement : public ::testing::Test {
 protected:
  [[nodiscard]] double metric(const std::string& name, const std::string& more = "") const {
    return samples_.at(fmt::format(R"(nbdstream_{}{{export="vm1",sink="fifo"{}}})", name, more));
  }
  [[nodiscard]] const value& in_json(std::string_view name) const {
    return json_.at("exports").at(0).at(name);
  }
  static double number(const value& v) { return v.to_number<double>(); }

  process process_ = example({streaming_export()});
  std::map<std::string, double> samples_ = samples_of(process_);
  value json_ = boost::json::parse(to_json(process_));
};

TEST_F(Agreement, IsBetweenJsonAndMetricsOnAllThatIsCounted) {
  for (const auto& f : counted) {
    const auto in_snapshot = static_cast<double>(process_.exports[0].count.*f.value);
    EXPECT_EQ(metric(fmt::format("stream_{}_total", f.family)), in_snapshot) << f.name;
    EXPECT_EQ(number(in_json(f.name)), in_snapshot) << f.name;
  }
  EXPECT_EQ(metric("streams_total", R"(,outcome="committed")"), number(in_json("committed")));
  EXPECT_EQ(metric("streams_total", R"(,outcome="aborted")"), number(in_json("aborted")));
}

TEST_F(Agreement, IsBetweenJsonAndMetricsOnAllThatIsMeasured) {
  for (const auto& f : measured) {
    const auto in_snapshot = static_cast<double>((*process_.exports[0].current).*f.value);
    const auto label = f.label.empty() ? "" : fmt::format(",{}", f.label);
    EXPECT_EQ(metric(fmt::format("stream_{}", f.family), label), in_snapshot) << f.name;
    EXPECT_EQ(number(in_json("stream").at(f.name)), in_snapshot) << f.name;
  }
  for (const auto& f : told) {
    const auto in_snapshot = static_cast<double>(*((*process_.exports[0].current).*f.value));
    EXPECT_EQ(metric(fmt::format("stream_{}", f.family)), in_snapshot) << f.name;
    EXPECT_EQ(number(in_json("stream").at(f.name)), in_snapshot) << f.name;
  }
  EXPECT_EQ(metric("export_size_bytes"), number(in_json("size_bytes")));
  EXPECT_EQ(metric("stream_last_duration_seconds"), number(in_json("recent").at(1).at("seconds")));
}

TEST_F(Agreement, IsBetweenJsonAndProgressOnWhatIsShown) {
  const auto& s = in_json("stream");
  const auto text = progress_text(process_.exports[0]);
  const auto expected = fmt::format(
      "{} of {} bytes, {} B/s (average {} B/s), 0:19 left; {} bytes sent, compressed to {}, "
      "{} zero, {} held in memory, {} in the spill file, {} acknowledged",
      number(s.at("done_bytes")), number(s.at("total_bytes")),
      number(in_json("rate_bytes_per_second")), number(in_json("average_bytes_per_second")),
      number(s.at("sent_bytes")), number(s.at("compressed_bytes")), number(s.at("zero_bytes")),
      number(s.at("held_memory_bytes")), number(s.at("held_spill_bytes")),
      number(s.at("acknowledged_bytes")));
  EXPECT_NE(text.find(expected), text.npos) << text << '\n' << expected;
}

TEST_F(Agreement, IsBetweenTheTextAndTheLineOfProgress) {
  const auto line = progress_lines(process_, {.columns = 200}, false).at(0);
  EXPECT_EQ(line,
            "vm1: streaming 25 %, 1005 B of 3.9 KiB, 200 B/s (average 122 B/s), 0:19 left, "
            "30 % zero, compressed to 406 B, 61 B held, 63 B spilled, 65 B acknowledged");
}

TEST_F(Agreement, IsBetweenJsonAndMetricsOnTheState) {
  for (auto& [name, sample] : samples_) {
    if (!name.starts_with("nbdstream_export_state{") || sample == 0) continue;
    EXPECT_NE(name.find(fmt::format("state=\"{}\"", in_json("state").as_string().c_str())),
              name.npos);
  }
}

}  // namespace
}  // namespace nbdstream::status
