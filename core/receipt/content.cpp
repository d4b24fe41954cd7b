// SPDX-License-Identifier: BSD-3-Clause
#include "receipt/content.hpp"

#include "config/cli.hpp"
#include "log/timestamp.hpp"
#include "log/utf8.hpp"
#include "receipt/format.hpp"
#include "status/json_values.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace nbdstream::receipt {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using status::json_number_or_null;
using status::json_text;

value text_or_null(const std::optional<std::string>& t) {
  return t ? json_text(*t) : value();
}

value from_format(const content& c) {
  if (!c.rbd_diff) return object{{"name", "raw"}};
  return object{{"name", "rbd-diff"},
                {"from", text_or_null(c.rbd_diff->from)},
                {"to", text_or_null(c.rbd_diff->to)}};
}

value from_blocks(const stage::fingerprint& print) {
  array values;
  values.reserve(print.blocks.size());
  for (const auto& b : print.blocks) values.emplace_back(stage::to_hex(b));
  return object{{"algorithm", block_algorithm},
                {"bytes", stage::fingerprint::block_size},
                {"values", std::move(values)}};
}

value from_results(std::span<const sink::fact> results) {
  object o;
  for (const auto& r : results) o[log::to_utf8(r.key)] = json_text(r.value);
  return o;
}

/// The digest is of what was not compressed yet: it says what the stream is of.
value from_compression(const content& c) {
  if (!c.zstd_level) return {};
  return object{{"format", "zstd"}, {"level", *c.zstd_level}, {"length_bytes", c.compressed}};
}

object from_content(const content& c, std::span<const sink::fact> results) {
  object o;
  o[version_key] = version;
  o["nbdstream"] = config::version();
  o["export"] = json_text(c.export_name);
  o["stream"] = c.stream;
  o["unique_id"] = json_text(c.unique_id);
  o["format"] = from_format(c);
  o["size_bytes"] = json_number_or_null(c.size);
  o["length_bytes"] = c.print.length;
  o["digest"] = object{{"algorithm", c.print.algorithm}, {"value", c.print.value}};
  o["compression"] = from_compression(c);
  o["payload_bytes"] = c.payload;
  o["zeroes"] = object{{"bytes", c.zeroes}, {"ranges", c.zero_ranges}};
  o["coverage"] = object{{"named_bytes", c.named}, {"missing_bytes", c.missing}};
  o["clients"] = object{{"connections", c.connections}};
  o["began"] = json_text(log::timestamp(c.began));
  o["ended"] = json_text(log::timestamp(c.ended));
  o["sink"] = object{{"module", json_text(c.module)}, {"results", from_results(results)}};
  o["blocks"] = from_blocks(c.print);
  return o;
}

}  // namespace

/// For people, too: a line for each member.
std::string to_json(const content& c, std::span<const sink::fact> results) {
  std::string all = "{";
  const auto members = from_content(c, results);
  for (const auto& member : members) {
    const std::string_view name = member.key();
    all += fmt::format("{}\n  \"{}\": {}", all.size() == 1 ? "" : ",", name,
                       boost::json::serialize(member.value()));
  }
  return all + "\n}\n";
}

}  // namespace nbdstream::receipt
