// SPDX-License-Identifier: BSD-3-Clause
#include "status/page.hpp"

#include "examples.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nbdstream::status {
namespace {

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

bool has(std::string_view text, std::string_view what) {
  return count(text, what) > 0;
}

std::string_view between(std::string_view text, std::string_view begin, std::string_view end) {
  const auto at = text.find(begin);
  if (at == text.npos) return {};
  text.remove_prefix(at + begin.size());
  return text.substr(0, text.find(end));
}

/// The content of one of the two tables.
std::string_view table(std::string_view html, std::string_view id) {
  return between(html, "<table id=\"" + std::string(id) + "\"", "</table>");
}
std::string_view head(std::string_view table) {
  return between(table, "<thead", "</thead>");
}
std::string_view body(std::string_view table) {
  return between(table, "<tbody", "</tbody>");
}

/// The content of that cell of the first export.
std::string_view cell(std::string_view html, const std::string& name) {
  return between(table(html, "exports"), "data-f=\"" + name + "\"", "</td>");
}

TEST(Page, FillsEachPlaceOfItsFile) {
  const auto html = page(example({streaming_export()}));
  EXPECT_FALSE(has(html, "<!--"));
  EXPECT_TRUE(html.ends_with("</html>\n"));
  EXPECT_GT(between(html, "<style>", "</style>").size(), 1000U);
  EXPECT_GT(between(html, "<script>", "</script>").size(), 1000U);
}

TEST(Page, HasACellForEachHeadOfItsTables) {
  const auto html = page(example({streaming_export(), idle_export(), ended_export()}));
  for (const auto* id : {"exports", "outcomes"}) {
    const auto t = table(html, id);
    const auto heads = count(head(t), "<th ");
    EXPECT_GT(heads, 6U);
    EXPECT_EQ(count(body(t), "<tr "), 3U) << id;
    EXPECT_EQ(count(body(t), "<th ") + count(body(t), "<td "), 3 * heads) << id;
  }
}

TEST(Page, SaysHowAStreamIsGoing) {
  const auto html = page(example({streaming_export()}));
  EXPECT_TRUE(has(cell(html, "state"), ">streaming<"));
  EXPECT_TRUE(has(cell(html, "done"), "<strong>25 %</strong>"));
  EXPECT_TRUE(has(cell(html, "done"), "<data value=\"1005\">1005 B of 3.9 KiB</data>"));
  EXPECT_TRUE(has(cell(html, "done"), "value=\"25.1\""));
  EXPECT_TRUE(has(cell(html, "sent"), "<data value=\"1001\">1001 B, compressed to 406 B</data>"));
  EXPECT_TRUE(has(cell(html, "zeroes"), ">303 B<"));
  EXPECT_TRUE(has(cell(html, "memory"), "<data value=\"61\">61 B, peak 62 B</data>"));
  EXPECT_TRUE(has(cell(html, "spill"), "<data value=\"63\">63 B, peak 64 B</data>"));
  EXPECT_TRUE(has(cell(html, "acknowledged"), "<data value=\"65\">65 B</data>"));
  EXPECT_TRUE(has(cell(html, "rate"), ">200 B/s<"));
  EXPECT_TRUE(has(cell(html, "average"), ">122 B/s<"));
  EXPECT_TRUE(has(cell(html, "left"), ">18 s<"));
  EXPECT_TRUE(has(cell(html, "age"), ">8.2 s<"));
  EXPECT_TRUE(has(cell(html, "history"), ">peak 200 B/s<"));
  EXPECT_TRUE(has(cell(html, "clients"), ">1, 1 writing<"));
  EXPECT_TRUE(has(cell(html, "streams"), ">5 committed, 1 aborted<"));
}

TEST(Page, CountsTheCellsOfTheMap) {
  auto e = streaming_export();
  e.current->map = {4096, "##0ms.."};
  const auto disk = std::string(cell(page(example({e})), "disk"));
  for (const auto* part : {"sent <data data-cell=\"#\" value=\"2\">2<", "value=\"1\">1</data>",
                           "untouched <data data-cell=\".\" value=\"2\">2<", "7 cells of 4 KiB"}) {
    EXPECT_TRUE(has(disk, part)) << part << " is not in " << disk;
  }
}

TEST(Page, ShowsEachStateInWords) {
  for (int i = 0; i <= static_cast<int>(state::ended); ++i) {
    auto e = streaming_export();
    e.now = static_cast<state>(i);
    const auto html = page(example({e}));
    EXPECT_TRUE(has(cell(html, "state"), name_of(e.now)));
    EXPECT_TRUE(has(table(html, "exports"), "data-state=\"" + std::string(word_for(e.now)) + "\""));
    EXPECT_TRUE(has(between(html, "<ul id=\"words\"", "</ul>"), word_for(e.now)));
  }
}

TEST(Page, LeavesEmptyWhatAnIdleExportHasNot) {
  const auto html = page(example({idle_export()}));
  for (const auto* name : {"done", "disk", "history", "rate", "average", "left", "age", "sent",
                           "zeroes", "memory", "spill", "acknowledged", "last"}) {
    EXPECT_TRUE(has(cell(html, name), " data-empty>")) << name;
  }
  EXPECT_TRUE(has(cell(html, "clients"), ">none<"));
  EXPECT_TRUE(has(cell(html, "streams"), ">0 committed, 0 aborted, of 1<"));
}

TEST(Page, ShowsNoShareOfAStreamWhoseEndIsUnknown) {
  auto e = streaming_export();
  e.current->total.reset();
  const auto done = std::string(cell(page(example({e})), "done"));
  EXPECT_TRUE(has(done, "<strong></strong>"));
  EXPECT_TRUE(has(done, ">1005 B<"));
  EXPECT_TRUE(has(done, " hidden></progress>"));
}

TEST(Page, SaysNothingIsWholeBeforeItIs) {
  auto e = streaming_export();
  e.current->total = 1000000;
  e.current->done = 999999;
  EXPECT_TRUE(has(cell(page(example({e})), "done"), "<strong>99 %</strong>"));
  e.current->done = 1000000;
  EXPECT_TRUE(has(cell(page(example({e})), "done"), "<strong>100 %</strong>"));
}

TEST(Page, ListsEndedStreamsTheNewestFirst) {
  const auto html = page(example({streaming_export()}));
  const auto rows = body(table(html, "outcomes"));
  const auto committed = rows.find(">committed<"), aborted = rows.find(">aborted<");
  ASSERT_NE(committed, rows.npos);
  ASSERT_NE(aborted, rows.npos);
  EXPECT_LT(committed, aborted);
  EXPECT_TRUE(has(rows, "<bdi>the reader went away</bdi>"));
  EXPECT_TRUE(has(rows, "<bdi>sha256:00ff</bdi>"));
  EXPECT_TRUE(has(rows, "<time datetime=\"2026-11-27T06:00:01.250Z\">2026-11-27 06:00:01 UTC<"));
  EXPECT_TRUE(has(cell(html, "last"), ">committed<"));
}

TEST(Page, RunsNothingThatANameOrAReasonSays) {
  const std::vector<std::string> hostile{"<script>alert(1)</script>",
                                         "\"><img src=x onerror=alert(1)>",
                                         "' onmouseover='alert(1)",
                                         "</bdi></th></tr></table><script>alert(1)</script>",
                                         "<!--exports-->",
                                         "-->",
                                         "&lt;script&gt;",
                                         std::string("\0<script>\x1b[31m", 15),
                                         "\xff\xfe<svg onload=alert(1)>"};
  for (const auto& text : hostile) {
    auto e = streaming_export(text);
    e.description = e.sink = e.recent[0].reason = e.recent[1].digest = text;
    auto p = example({e});
    p.connections[0].export_name = p.version = text;
    const auto plain = page(example({streaming_export("x")}));
    const auto html = page(p);
    // The markup is that of a harmless name: not one tag, attribute or comment more.
    for (const auto* mark : {"<", ">", "\"", "<!--", "<script"}) {
      EXPECT_EQ(count(html, mark), count(plain, mark)) << mark << " of " << text;
    }
  }
}

TEST(Page, OfNoExportIsWhole) {
  const auto html = page(example({}));
  EXPECT_EQ(count(body(table(html, "exports")), "<tr"), 0U);
  EXPECT_TRUE(has(html, "There is no export."));
}

TEST(Page, OfAThousandExportsHasThemAllAndTheNewestOutcomes) {
  std::vector<exported> exports;
  for (int i = 0; i < 1000; ++i) exports.push_back(streaming_export("vm" + std::to_string(i)));
  const auto html = page(example(exports));
  EXPECT_EQ(count(body(table(html, "exports")), "<tr "), 1000U);
  EXPECT_EQ(count(body(table(html, "outcomes")), "<tr "), 100U);
  EXPECT_TRUE(has(table(html, "exports"), "<bdi>vm999</bdi>"));
  EXPECT_LT(html.size(), 8U << 20U);
}

TEST(Page, SaysThatItIsStopping) {
  auto p = example({idle_export()});
  EXPECT_TRUE(has(page(p), "<p id=\"notice\" role=\"status\"></p>"));
  p.stopping = true;
  EXPECT_TRUE(has(page(p), "no client is let in any more"));
}

TEST(Page, LoadsNothingAndSendsNothing) {
  const auto html = page(example({streaming_export()}));
  for (const auto* tag :
       {"<form", "<button", "<input", "<a ", "<img", "<iframe", "src=", "http:"}) {
    const auto allowed = std::string_view(tag) == "http:" ? 2U : 0U;  // the name space of SVG
    EXPECT_EQ(count(html, tag), allowed) << tag;
  }
}

TEST(PagePolicy, AllowsByDigestOnly) {
  const auto policy = std::string(page_policy());
  EXPECT_TRUE(policy.starts_with("default-src 'none'; "));
  EXPECT_EQ(count(policy, "'sha256-"), 2U);
  EXPECT_FALSE(has(policy, "unsafe"));
  EXPECT_FALSE(has(policy, "\n"));
}

}  // namespace
}  // namespace nbdstream::status
