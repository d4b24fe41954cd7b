// SPDX-License-Identifier: BSD-3-Clause
#include "status/json.hpp"

#include "log/timestamp.hpp"
#include "status/figures.hpp"
#include "status/json_values.hpp"

#include <boost/json.hpp>
// Boost.JSON is compiled here, once for all of the program.
#include <boost/json/src.hpp>

#include <cmath>

namespace nbdstream::status {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

value time(wall_clock::time_point t) {
  return boost::json::string(log::timestamp(t));
}

/// To the millisecond, as the times are; "2" and not "2E0".
value duration(seconds s) {
  const auto ms = std::llround(s.count() * 1000);
  return ms % 1000 == 0 ? value(ms / 1000) : value(static_cast<double>(ms) / 1000);
}

value rate(double bytes_per_second) {
  return std::llround(bytes_per_second);
}

template <class Table, class Source>
void add_figures(object& to, const Table& table, const Source& from) {
  for (const auto& f : table) to[f.name] = from.*f.value;
}

value from_map(const disk_map& m) {
  return object{{"cell_bytes", m.cell_bytes}, {"cells", m.cells}};
}

value from_stream(const open_stream& s) {
  object o{{"id", s.id}, {"unique_id", json_text(s.unique_id)}};
  add_figures(o, counted, s.count);
  add_figures(o, measured, s);
  for (const auto& f : told) o[f.name] = json_number_or_null(s.*f.value);
  o["total_bytes"] = json_number_or_null(s.total);
  o["began"] = time(s.began);
  o["age_seconds"] = duration(s.age);
  o["map"] = from_map(s.map);
  return o;
}

value from_outcome(const outcome& e) {
  object o{{"id", e.id},
           {"unique_id", json_text(e.unique_id)},
           {"outcome", e.committed ? "committed" : "aborted"},
           {"reason", e.reason.empty() ? value() : json_text(e.reason)}};
  add_figures(o, counted, e.count);
  o["began"] = time(e.began);
  o["ended"] = time(e.ended);
  o["seconds"] = duration(e.took);
  o["digest"] = e.digest.empty() ? value() : json_text(e.digest);
  return o;
}

void add_rates(object& o, const rates& r) {
  array history;
  for (const auto bytes_per_second : r.history) history.push_back(rate(bytes_per_second));
  o["rate_bytes_per_second"] = rate(r.now);
  o["average_bytes_per_second"] = rate(r.average);
  o["remaining_seconds"] = r.remaining ? duration(*r.remaining) : value();
  o["history_interval_seconds"] = duration(history_interval);
  o["history_bytes_per_second"] = std::move(history);
}

value from_export(const exported& e) {
  object o{{"name", json_text(e.name)},
           {"description", json_text(e.description)},
           {"sink", json_text(e.sink)},
           {"size_bytes", json_number_or_null(e.size)},
           {"state", word_for(e.now)},
           {"streams", e.streams},
           {"committed", e.committed},
           {"aborted", e.aborted},
           {"last_commit", e.last_commit ? time(*e.last_commit) : value()}};
  add_figures(o, counted, e.count);
  add_rates(o, e.speed);
  o["stream"] = e.current ? from_stream(*e.current) : value();
  array recent;
  for (const auto& ended : e.recent) recent.push_back(from_outcome(ended));
  o["recent"] = std::move(recent);
  return o;
}

value from_connection(const connection& c) {
  return object{{"id", c.id},
                {"export", json_text(c.export_name)},
                {"writes", c.writes},
                {"written_bytes", c.written}};
}

}  // namespace

std::string to_json(const process& p) {
  array exports;
  for (const auto& e : p.exports) exports.push_back(from_export(e));
  array connections;
  for (const auto& c : p.connections) connections.push_back(from_connection(c));
  return boost::json::serialize(object{{"version", json_text(p.version)},
                                       {"pid", p.id},
                                       {"time", time(p.now)},
                                       {"began", time(p.began)},
                                       {"stopping", p.stopping},
                                       {"exports", std::move(exports)},
                                       {"connections", std::move(connections)}});
}

std::string to_json(const outcome& o) {
  return boost::json::serialize(from_outcome(o));
}

}  // namespace nbdstream::status
