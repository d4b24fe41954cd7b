// SPDX-License-Identifier: BSD-3-Clause
#include "status/page_rows.hpp"

#include "log/timestamp.hpp"
#include "status/in_words.hpp"

#include <algorithm>
#include <vector>

namespace nbdstream::status {
namespace {

/// So many rows are shown; as in page.js.
constexpr std::size_t most_shown = 100;

struct ended_stream {
  const exported* of;
  const outcome* how;
};

/// The newest first.
std::vector<ended_stream> ended_streams(const process& p) {
  std::vector<ended_stream> all;
  for (const auto& e : p.exports) {
    for (const auto& o : e.recent) all.push_back({&e, &o});
  }
  std::stable_sort(all.begin(), all.end(), [](const ended_stream& a, const ended_stream& b) {
    return a.how->ended > b.how->ended;
  });
  if (all.size() > most_shown) all.resize(most_shown);
  return all;
}

void add_outcome(html& out, const exported& e, const outcome& o) {
  out.add("<tr role=\"row\">\n<td role=\"cell\" data-label=\"Ended\">");
  add_time(out, o.ended);
  out.add("</td>\n<td role=\"cell\" data-label=\"Export\"><bdi>").text(e.name);
  out.add("</bdi></td>\n<td role=\"cell\" data-label=\"Stream\">").number(o.id);
  out.add("</td>\n<td role=\"cell\" data-label=\"Outcome\">");
  add_outcome_mark(out, o);
  out.add("</td>\n<td role=\"cell\" data-label=\"Sent\"><data value=\"");
  out.number(o.count.sent).add("\">");
  out.text(sent_in_words(o.count));
  out.add("</data></td>\n<td role=\"cell\" data-label=\"Took\">").text(time_in_words(o.took));
  out.add("</td>\n<td role=\"cell\" data-label=\"Reason, or digest\"><bdi>");
  out.text(o.committed ? o.digest : o.reason).add("</bdi></td>\n</tr>\n");
}

}  // namespace

void add_time(html& out, wall_clock::time_point when) {
  out.add("<time datetime=\"").text(log::timestamp(when)).add("\">");
  out.text(date_in_words(when)).add("</time>");
}

void add_outcome_mark(html& out, const outcome& o) {
  out.add("<span class=\"outcome\" data-outcome=\"");
  const std::string_view word = o.committed ? "committed" : "aborted";
  out.text(word).add("\">").text(word).add("</span>");
}

void add_outcomes(html& out, const process& p) {
  for (const auto& [of, how] : ended_streams(p)) add_outcome(out, *of, *how);
}

}  // namespace nbdstream::status
