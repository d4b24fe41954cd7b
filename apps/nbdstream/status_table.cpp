// SPDX-License-Identifier: BSD-3-Clause
#include "status_table.hpp"

#include "config/text.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <vector>

namespace nbdstream {
namespace {

using boost::json::value;
using row = std::array<std::string, 8>;

/// "1.2 GiB"
std::string bytes(double count) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  for (; count >= 1024 && unit + 1 < units.size(); ++unit) count /= 1024;
  return fmt::format("{:.{}f} {}", count, unit == 0 || count >= 100 ? 0 : 1, units[unit]);
}

/// "2:05", "1:02:05"
std::string time(double seconds) {
  const auto all = static_cast<std::int64_t>(seconds);
  const auto hours = all / 3600;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, all / 60 % 60, all % 60);
  return fmt::format("{}:{:02}", all / 60, all % 60);
}

double number(const value& v) {
  return v.is_null() ? 0 : v.to_number<double>();
}

/// "waiting for client", as status::word_for() has it with '_'.
std::string state_of(const value& e) {
  std::string text(e.at("state").as_string());
  std::ranges::replace(text, '_', ' ');
  return text;
}

/// How the last stream has ended: "committed", or "aborted: why".
std::string last_outcome(const value& e) {
  const auto& recent = e.at("recent").as_array();
  if (recent.empty()) return {};
  const auto& last = recent.back();
  std::string text(last.at("outcome").as_string());
  const auto& why = last.at("reason");
  if (!why.is_null()) text += ": " + std::string(why.as_string());
  return text;
}

row row_of(const value& e) {
  row r;
  r[0] = config::quote(std::string_view(e.at("name").as_string()));
  r[1] = state_of(e);
  const auto& stream = e.at("stream");
  if (!stream.is_null()) {
    const auto done = number(stream.at("done_bytes"));
    const auto total = number(stream.at("total_bytes"));
    r[2] = bytes(done);
    if (total > 0) r[3] = fmt::format("{} ({:.0f} %)", bytes(total), 100 * done / total);
    // While somebody is to decide, nothing moves.
    if (e.at("state").as_string() != "waiting_for_decision")
      r[4] = bytes(number(e.at("rate_bytes_per_second"))) + "/s";
    const auto& left = e.at("remaining_seconds");
    if (!left.is_null()) r[5] = time(number(left));
  } else if (!e.at("size_bytes").is_null()) {
    r[3] = bytes(number(e.at("size_bytes")));
  }
  r[6] = fmt::format("{} committed, {} aborted", e.at("committed").to_number<std::uint64_t>(),
                     e.at("aborted").to_number<std::uint64_t>());
  r[7] = last_outcome(e);
  for (auto& cell : r) {
    if (cell.empty()) cell = "-";
  }
  return r;
}

}  // namespace

std::string status_table(const value& status) {
  std::vector<row> rows{{"EXPORT", "STATE", "DONE", "OF", "RATE", "LEFT", "STREAMS", "LAST"}};
  for (const auto& e : status.at("exports").as_array()) rows.push_back(row_of(e));
  std::array<std::size_t, std::tuple_size_v<row>> widths{};
  for (const auto& r : rows) {
    for (std::size_t i = 0; i < r.size(); ++i) widths[i] = std::max(widths[i], r[i].size());
  }
  std::string text;
  for (const auto& r : rows) {
    for (std::size_t i = 0; i + 1 < r.size(); ++i) {
      fmt::format_to(std::back_inserter(text), "{:<{}}  ", r[i], widths[i]);
    }
    text += r.back() + '\n';
  }
  return text;
}

}  // namespace nbdstream
