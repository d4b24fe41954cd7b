// SPDX-License-Identifier: BSD-3-Clause
#include "status/in_words.hpp"
#include "status/page_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

namespace nbdstream::status {
namespace {

/// What a cell says, and the number that this is about.
struct figure_in_words {
  std::string words;
  double exact = 0;
};

figure_in_words size(std::uint64_t bytes) {
  return {size_in_words(static_cast<double>(bytes)), static_cast<double>(bytes)};
}

figure_in_words sent(const counters& c) {
  return {sent_in_words(c), static_cast<double>(c.sent)};
}

figure_in_words rate_figure(double bytes_per_second) {
  return {size_in_words(bytes_per_second) + "/s", std::round(bytes_per_second)};
}

figure_in_words held(std::uint64_t now, std::uint64_t most) {
  auto f = size(now);
  f.words += fmt::format(", peak {}", size(most).words);
  return f;
}

void add_data(html& out, const figure_in_words& f) {
  out.add("<data value=\"").text(fmt::format("{:.0f}", f.exact)).add("\">");
  out.text(f.words).add("</data>");
}

/// Goes on behind the name of a tag and its attributes.
void begin_content(html& out, bool empty) {
  if (empty) out.add(" data-empty");
  out.add(">");
}

/// `tag` is the beginning of the cell's, without the `>`.
void add_cell(html& out, markup tag, const std::optional<figure_in_words>& f) {
  out.add(tag);
  begin_content(out, !f);
  add_data(out, f.value_or(figure_in_words{}));
  out.add("</td>\n");
}

void add_name(html& out, const exported& e) {
  out.add("<th role=\"rowheader\" scope=\"row\"><bdi>");
  if (e.name.empty()) {
    out.add("(the export without a name)");
  } else {
    out.text(e.name);
  }
  out.add("</bdi> <small>");
  if (!e.description.empty()) out.add("<bdi>").text(e.description).add("</bdi> · ");
  out.add("into <bdi>").text(e.sink).add("</bdi></small></th>\n");
}

void add_state(html& out, const exported& e) {
  out.add("<td role=\"cell\" data-f=\"state\" data-label=\"State\"><span>");
  out.text(name_of(e.now)).add("</span></td>\n");
}

/// In per cent, rounded down: 100 is all of it. Not of a stream whose end is not known.
std::optional<double> share_of(const open_stream& s) {
  if (!s.total || *s.total == 0) return std::nullopt;
  const auto ratio = static_cast<double>(s.done) / static_cast<double>(*s.total);
  return std::floor(std::min(ratio, 1.0) * 1000) / 10;
}

void add_done(html& out, const exported& e) {
  const auto share = e.current ? share_of(*e.current) : std::nullopt;
  out.add("<td role=\"cell\" data-f=\"done\" data-label=\"Done\"");
  begin_content(out, !e.current);
  out.add("<strong>").text(share ? fmt::format("{:.0f} %", std::floor(share.value_or(0))) : "");
  out.add("</strong> ");
  auto f = size(e.current ? e.current->done : 0);
  if (e.current && e.current->total) f.words += " of " + size(*e.current->total).words;
  add_data(out, f);
  out.add(" <progress max=\"100\" value=\"").text(fmt::format("{:.1f}", share.value_or(0)));
  out.add("\" aria-label=\"").text(e.name).add(": share done\"");
  if (!share) out.add(" hidden");
  out.add("></progress></td>\n");
}

void add_kind(html& out, const disk_map& map, char cell, markup name, markup picture) {
  const auto count = std::count(map.cells.begin(), map.cells.end(), cell);
  out.add("<li><svg aria-hidden=\"true\" viewBox=\"-.04 -.04 .96 .96\"><path class=\"");
  out.add(picture).add("\" d=\"M0 0h.88v.88h-.88z\"/></svg>").add(name);
  out.add(" <data data-cell=\"").text(std::string_view(&cell, 1)).add("\" value=\"");
  out.number(static_cast<std::uint64_t>(count)).add("\">");
  out.number(static_cast<std::uint64_t>(count)).add("</data></li>");
}

/// The picture is drawn by the script; the legend says in numbers what it shows.
void add_disk(html& out, const exported& e) {
  const auto map = e.current ? e.current->map : disk_map{};
  out.add("<td role=\"cell\" data-f=\"disk\" data-label=\"Map of the disk\"");
  begin_content(out, map.cells.empty());
  out.add("<svg class=\"map\" aria-hidden=\"true\"></svg><ul class=\"legend\">");
  add_kind(out, map, '#', "sent", "sent");
  add_kind(out, map, '0', "zeroes", "zeroes");
  add_kind(out, map, 'm', "held in memory", "memory");
  add_kind(out, map, 's', "held in the spill file", "spill");
  add_kind(out, map, '.', "untouched", "untouched");
  out.add("</ul> ");
  auto f = size(map.cell_bytes);
  f.words = fmt::format("{} cells of {}", map.cells.size(), f.words);
  add_data(out, f);
  out.add("</td>\n");
}

void add_history(html& out, const exported& e) {
  const auto& h = e.speed.history;
  const auto most = h.empty() ? 0 : *std::max_element(h.begin(), h.end());
  out.add("<td role=\"cell\" data-f=\"history\" data-label=\"Rate of the last minutes\"");
  begin_content(out, most <= 0);
  out.add("<svg class=\"rates\" aria-hidden=\"true\" viewBox=\"0 0 30 40\"");
  out.add(" preserveAspectRatio=\"none\"></svg> ");
  auto f = rate_figure(most);
  f.words = "peak " + f.words;
  add_data(out, f);
  out.add("</td>\n");
}

/// What is there of an open stream only.
void add_figures(html& out, const exported& e) {
  using maybe = std::optional<figure_in_words>;
  const auto& s = e.current;
  const auto left = e.speed.remaining;
  add_cell(out, "<td role=\"cell\" data-f=\"rate\" data-label=\"Rate now\"",
           s ? maybe(rate_figure(e.speed.now)) : maybe());
  add_cell(out, "<td role=\"cell\" data-f=\"average\" data-label=\"On average\"",
           s ? maybe(rate_figure(e.speed.average)) : maybe());
  add_cell(out, "<td role=\"cell\" data-f=\"left\" data-label=\"Time left\"",
           left ? maybe({time_in_words(*left), std::ceil(left->count())}) : maybe());
  add_cell(out, "<td role=\"cell\" data-f=\"age\" data-label=\"Running for\"",
           s ? maybe({time_in_words(s->age), std::floor(s->age.count())}) : maybe());
  add_cell(out, "<td role=\"cell\" data-f=\"sent\" data-label=\"Sent\"",
           s ? maybe(sent(s->count)) : maybe());
  add_cell(out, "<td role=\"cell\" data-f=\"zeroes\" data-label=\"Zeroes\"",
           s ? maybe(size(s->count.zeroes)) : maybe());
  add_cell(out, "<td role=\"cell\" data-f=\"memory\" data-label=\"Held in memory\"",
           s ? maybe(held(s->held_memory, s->held_memory_peak)) : maybe());
  add_cell(out, "<td role=\"cell\" data-f=\"spill\" data-label=\"In the spill file\"",
           s && s->held_spill_peak > 0 ? maybe(held(s->held_spill, s->held_spill_peak)) : maybe());
  add_cell(out, "<td role=\"cell\" data-f=\"acknowledged\" data-label=\"Acknowledged\"",
           s && s->acknowledged ? maybe(size(*s->acknowledged)) : maybe());
}

figure_in_words clients_of(const exported& e, const process& p) {
  const auto ours = [&](const connection& c) { return c.export_name == e.name; };
  const auto all = std::count_if(p.connections.begin(), p.connections.end(), ours);
  const auto writers = std::count_if(p.connections.begin(), p.connections.end(),
                                     [&](const connection& c) { return ours(c) && c.writes; });
  return {all == 0 ? "none" : fmt::format("{}, {} writing", all, writers),
          static_cast<double>(all)};
}

void add_last(html& out, const exported& e) {
  out.add("<td role=\"cell\" data-f=\"last\" data-label=\"Last stream\"");
  begin_content(out, e.recent.empty());
  if (!e.recent.empty()) {
    const auto& o = e.recent.back();
    add_outcome_mark(out, o);
    out.add(" ");
    add_time(out, o.ended);
    out.add(", <span>").text(size_in_words(static_cast<double>(o.count.sent))).add(" in ");
    out.text(time_in_words(o.took)).add("</span>");
  }
  out.add("</td>\n");
}

void add_export(html& out, const exported& e, const process& p) {
  out.add("<tr role=\"row\" data-state=\"").text(word_for(e.now)).add("\">\n");
  add_name(out, e);
  add_state(out, e);
  add_done(out, e);
  add_disk(out, e);
  add_history(out, e);
  add_figures(out, e);
  add_cell(out, "<td role=\"cell\" data-f=\"clients\" data-label=\"Clients\"", clients_of(e, p));
  auto streams = fmt::format("{} committed, {} aborted", e.committed, e.aborted);
  if (e.streams > 0) streams += fmt::format(", of {}", e.streams);
  const auto ended = static_cast<double>(e.committed + e.aborted);
  add_cell(out, "<td role=\"cell\" data-f=\"streams\" data-label=\"Streams\"",
           figure_in_words{streams, ended});
  add_last(out, e);
  out.add("</tr>\n");
}

}  // namespace

void add_exports(html& out, const process& p) {
  for (const auto& e : p.exports) add_export(out, e, p);
}

}  // namespace nbdstream::status
