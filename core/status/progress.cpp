// SPDX-License-Identifier: BSD-3-Clause
#include "status/progress.hpp"

#include "status/columns.hpp"
#include "status/quantities.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream::status {
namespace {

/// A piece of a line; where there is little room, those of the lowest rank are shown.
struct part {
  int rank;
  std::string text;
  std::string_view before = ", ";
  bool shown = false;
};

/// As short as can be, for a narrow screen.
std::string_view short_name(state s) {
  switch (s) {
    case state::waiting_for_client: return "no client";
    case state::waiting_for_reader: return "no reader";
    case state::waiting_for_gap: return "gap";
    case state::waiting_for_connections: return "settling";
    case state::waiting_for_decision: return "to be told";
    case state::stuck: return "stuck";
    default: return name_of(s);
  }
}

/// What the export does or, where it has ended, how.
std::string_view state_words(const exported& e, bool brief) {
  if (e.now == state::ended && !e.recent.empty()) {
    return e.recent.back().committed ? "committed" : "aborted";
  }
  return brief ? short_name(e.now) : name_of(e.now);
}

std::string_view colour_of(const exported& e) {
  constexpr std::string_view red = "\x1b[31m";
  constexpr std::string_view green = "\x1b[32m";
  constexpr std::string_view yellow = "\x1b[33m";
  switch (e.now) {
    case state::streaming:
    case state::spooling:
    case state::committing: return green;
    case state::aborting:
    case state::stuck: return red;
    case state::ended: return e.recent.empty() || !e.recent.back().committed ? red : green;
    default: return yellow;
  }
}

std::string held_text(const open_stream& s) {
  std::string text;
  if (s.held_memory > 0) text = format_bytes(static_cast<double>(s.held_memory)) + " held";
  if (s.held_spill > 0) {
    if (!text.empty()) text += ", ";
    text += format_bytes(static_cast<double>(s.held_spill)) + " spilled";
  }
  return text;
}

std::string acknowledged_text(const open_stream& s) {
  return format_bytes(static_cast<double>(*s.acknowledged)) + " acknowledged";
}

std::string compressed_text(const counters& c) {
  return "compressed to " + format_bytes(static_cast<double>(c.compressed));
}

std::optional<unsigned> zero_percent(const counters& c) {
  return percent(c.zeroes, c.zeroes + c.payload);
}

/// Of the open stream, in the order in which they are shown.
void add_stream(std::vector<part>& to, const exported& e) {
  const auto& s = *e.current;
  const auto share = s.total ? percent(s.done, *s.total) : std::nullopt;
  if (share) to.push_back({1, fmt::format("{:2} %", *share)});
  to.push_back({share ? 2 : 1, format_bytes(static_cast<double>(s.done))});
  if (s.total) to.push_back({4, "of " + format_bytes(static_cast<double>(*s.total)), " "});
  to.push_back({5, format_bytes(e.speed.now) + "/s"});
  to.push_back({8, fmt::format("(average {}/s)", format_bytes(e.speed.average)), " "});
  if (e.speed.remaining) to.push_back({3, format_time(*e.speed.remaining) + " left"});
  if (const auto zero = zero_percent(s.count); zero > 0U) {
    to.push_back({7, fmt::format("{} % zero", *zero)});
  }
  if (s.count.compressed > 0) to.push_back({9, compressed_text(s.count)});
  if (auto held = held_text(s); !held.empty()) to.push_back({6, std::move(held)});
  if (s.acknowledged) to.push_back({6, acknowledged_text(s)});
}

/// Of the last stream, where none is open.
void add_outcome(std::vector<part>& to, const exported& e) {
  const auto& last = e.recent.back();
  const auto sent = format_bytes(static_cast<double>(last.count.sent));
  const auto time = format_time(last.took);
  if (e.now == state::ended) {
    to.push_back({1, sent});
    to.push_back({2, "in " + time, " "});
  } else {
    const auto* how = last.committed ? "committed" : "aborted";
    to.push_back({1, fmt::format("(the last {}: {} in {})", how, sent, time)});
  }
}

/// Those of `parts` that are to be shown, with a blank before them.
std::string joined(const std::vector<part>& parts) {
  std::string text;
  for (const auto& p : parts) {
    if (p.shown) text.append(text.empty() ? " " : p.before).append(p.text);
  }
  return text;
}

/// As many of `parts` as fit into `room` columns.
std::string fitting(std::vector<part> parts, std::size_t room) {
  std::vector<part*> by_rank;
  by_rank.reserve(parts.size());
  for (auto& p : parts) by_rank.push_back(&p);
  std::ranges::sort(by_rank, {}, &part::rank);
  for (auto* p : by_rank) {
    p->shown = true;
    p->shown = columns_of(joined(parts)) <= room;
  }
  return joined(parts);
}

/// `name`: as it is to be shown, with all columns that it has.
std::string line(const exported& e, const std::string& name, std::size_t room, bool colour) {
  std::vector<part> parts;
  if (e.current) add_stream(parts, e);
  if (!e.current && !e.recent.empty()) add_outcome(parts, e);
  const auto words = [&](bool brief) {
    return first_columns(name + std::string(state_words(e, brief)), room);
  };
  // The share, or how much it is, counts more than long words.
  std::string head = words(false);
  std::string rest = fitting(parts, room - columns_of(head));
  const bool too_long = columns_of(name) + state_words(e, false).size() > room;
  if (too_long || (rest.empty() && !parts.empty())) {
    head = words(true);
    rest = fitting(parts, room - columns_of(head));
  }
  if (!colour || head.size() <= name.size()) return head + rest;
  return name + std::string(colour_of(e)) + head.substr(name.size()) + "\x1b[0m" + rest;
}

/// A line that fills its row makes some terminals go to the next one. And where somebody types ^C,
/// that stands behind the line; a row more would stay there.
std::size_t room_in(std::size_t columns) {
  constexpr std::size_t narrow = 24;
  if (columns >= narrow) return columns - 3;
  return columns > 0 ? columns - 1 : 0;
}

/// What stands before the states: names in one column, where there are any.
std::vector<std::string> names_of(const std::vector<const exported*>& exports, std::size_t room) {
  std::vector<std::string> names;
  std::size_t widest = 0;
  for (const auto* e : exports) {
    names.push_back(first_columns(e->name, room / 4));
    widest = std::max(widest, columns_of(names.back()));
  }
  if (widest == 0) return names;
  for (auto& n : names) n += ':' + std::string(widest - columns_of(n) + 1, ' ');
  return names;
}

}  // namespace

std::vector<std::string> progress_lines(const process& p, screen_size size, bool colour) {
  std::vector<const exported*> exports;
  for (const auto& e : p.exports) exports.push_back(&e);
  // With ranges:: clang 14 cannot compile it.
  std::stable_partition(exports.begin(), exports.end(),
                        [](const auto* e) { return e->current.has_value(); });
  const auto room = room_in(size.columns);
  const auto rows = std::max<std::size_t>(size.rows, 2) - 1;
  std::size_t hidden = 0;
  if (exports.size() > rows) {
    hidden = exports.size() - (rows - 1);
    exports.resize(rows - 1);
  }
  const auto names = names_of(exports, room);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < exports.size(); ++i) {
    lines.push_back(line(*exports[i], names[i], room, colour));
  }
  if (hidden > 0) lines.push_back(first_columns(fmt::format("and {} more", hidden), room));
  return lines;
}

std::string progress_text(const exported& e) {
  std::string text = e.name.empty() ? "" : fmt::format("export \"{}\": ", e.name);
  text += state_words(e, false);
  if (!e.current) {
    return text + fmt::format("; {} streams committed, {} aborted, {} bytes sent", e.committed,
                              e.aborted, e.count.sent);
  }
  const auto& s = *e.current;
  if (const auto share = s.total ? percent(s.done, *s.total) : std::nullopt) {
    text += fmt::format(", {} %", *share);
  }
  text += s.total ? fmt::format(", {} of {} bytes", s.done, *s.total)
                  : fmt::format(", {} bytes", s.done);
  text += fmt::format(", {}/s (average {}/s)", format_bytes(e.speed.now),
                      format_bytes(e.speed.average));
  if (e.speed.remaining) text += fmt::format(", {} left", format_time(*e.speed.remaining));
  text += fmt::format("; {} bytes sent", s.count.sent);
  if (s.count.compressed > 0) text += fmt::format(", compressed to {}", s.count.compressed);
  text += fmt::format(", {} zero, {} held in memory, {} in the spill file", s.count.zeroes,
                      s.held_memory, s.held_spill);
  return s.acknowledged ? text + fmt::format(", {} acknowledged", *s.acknowledged) : text;
}

namespace {

/// Whether nothing is left to do, and all of it was committed.
bool is_committed(const exported& e) {
  if (e.current || e.recent.empty()) return false;
  if (e.streams == 0) return e.recent.back().committed;
  return e.aborted == 0 && e.committed >= e.streams;
}

/// Of how many bytes an export is to send, of all its streams, how many are done; an export that
/// serves for ever does so with each stream. Numbers too large for integers.
struct amount {
  double done = 0;
  double total = 0;
};
std::optional<amount> amount_of(const exported& e) {
  const auto size = e.current ? e.current->total : e.size;
  if (!size) return std::nullopt;
  const auto one = static_cast<double>(*size);
  const auto now = e.current ? std::min(static_cast<double>(e.current->done), one) : 0;
  if (e.streams == 0) return amount{is_committed(e) ? one : now, one};
  auto ended = one * static_cast<double>(e.committed);
  for (const auto& o : e.recent) {
    if (!o.committed) ended += std::min(static_cast<double>(o.count.sent), one);
  }
  return amount{ended + now, one * static_cast<double>(e.streams)};
}

}  // namespace

std::optional<unsigned> progress_percent(const process& p) {
  if (p.exports.empty()) return std::nullopt;
  if (std::ranges::all_of(p.exports, is_committed)) return 100;
  amount sum;
  for (const auto& e : p.exports) {
    const auto a = amount_of(e);
    if (!a) return std::nullopt;
    sum.done += a->done;
    sum.total += a->total;
  }
  constexpr double most = 99;  // the rest is the commit
  if (sum.total <= 0) return std::nullopt;
  return static_cast<unsigned>(std::min(sum.done / sum.total * 100, most));
}

}  // namespace nbdstream::status
