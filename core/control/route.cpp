// SPDX-License-Identifier: BSD-3-Clause
#include "control/route.hpp"

#include "config/text.hpp"
#include "control/local_name.hpp"
#include "control/target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace nbdstream::control {
namespace {

using kind = action::kind;
using decision = std::variant<action, answer>;

struct route_entry {
  std::string_view path;
  kind what;
};
/// What there is once.
constexpr std::array fixed{route_entry{"/", kind::page},
                           route_entry{"/healthz", kind::health},
                           route_entry{"/metrics", kind::metrics},
                           route_entry{"/v1/status", kind::status},
                           route_entry{"/v1/events", kind::events},
                           route_entry{"/v1/stop", kind::stop}};
/// What there is for each export.
constexpr std::array of_exports{route_entry{"outcome", kind::outcome},
                                route_entry{"commit", kind::commit},
                                route_entry{"abort", kind::abort}};

constexpr std::string_view exports_path = "/v1/exports/";
constexpr std::string_view short_path = "/v1/";

std::string_view word_of(kind what) {
  const auto found = std::ranges::find(of_exports, what, &route_entry::what);
  return found == of_exports.end() ? std::string_view() : found->path;
}

bool changes_something(kind what) {
  return what == kind::commit || what == kind::abort || what == kind::stop;
}

/// A path, understood.
struct found {
  kind what = kind::page;
  std::optional<std::string_view> export_name;  ///< as it was written; of_exports only
};

std::optional<found> look_up(std::string_view path) {
  const auto entry = std::ranges::find(fixed, path, &route_entry::path);
  if (entry != fixed.end()) return found{entry->what, {}};
  for (const auto& e : of_exports) {
    if (!path.ends_with(e.path)) continue;
    const auto before = path.substr(0, path.size() - e.path.size());
    if (before == short_path) return found{e.what, {}};
    if (!before.starts_with(exports_path) || !before.ends_with('/')) continue;
    if (before.size() == exports_path.size()) continue;  // "/v1/exports/commit" names none
    const auto name = before.substr(exports_path.size());
    return found{e.what, name.substr(0, name.size() - 1)};
  }
  return std::nullopt;
}

std::string name_all(std::span<const std::string> exports) {
  std::string text;
  for (const auto& name : exports) text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", name);
  return text;
}

answer unknown_path(const surroundings& around) {
  return refuse(
      404, fmt::format("there is nothing here; there are /, /healthz, /metrics, "
                       "/v1/status, /v1/events, /v1/exports/NAME/outcome{}",
                       around.where == place::metrics ? ""
                                                      : ", and for POST /v1/exports/NAME/commit, "
                                                        "/v1/exports/NAME/abort, /v1/stop"));
}

/// Finds the export, or says why it cannot.
std::optional<answer> find_export(const found& f, const surroundings& around, std::string& name) {
  if (!f.export_name) {
    if (around.exports.size() == 1) {
      name = around.exports.front();
      return std::nullopt;
    }
    return refuse(404, fmt::format("there are several exports: say which one, as in "
                                   "/v1/exports/NAME/{}; the exports are {}",
                                   word_of(f.what), name_all(around.exports)));
  }
  auto decoded = percent_decode(*f.export_name);
  if (!decoded) {
    return refuse(400, "the export's name has a % that two hexadecimal digits do not follow");
  }
  name = std::move(*decoded);
  if (std::ranges::find(around.exports, name) != around.exports.end()) return std::nullopt;
  return refuse(404, fmt::format("there is no export \"{}\"; the exports are {}", name,
                                 name_all(around.exports)));
}

/// Why something is aborted: plain text, or the field of a form, as curl -d sends both.
std::optional<std::string> reason_of(const request& r, std::string_view query) {
  const auto in_query = find_parameter(query, "reason");
  if (in_query) return form_decode(*in_query);
  const auto in_form = find_parameter(r.body, "reason");
  if (in_form && r.content_type.starts_with("application/x-www-form-urlencoded")) {
    return form_decode(*in_form);
  }
  auto text = r.body;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

std::optional<answer> read_reason(const request& r, std::string_view query, std::string& reason) {
  auto text = reason_of(r, query);
  if (!text) return refuse(400, "the reason has a % that two hexadecimal digits do not follow");
  if (text->size() > longest_reason) {
    return refuse(413, fmt::format("a reason has at most {} bytes", longest_reason));
  }
  if (!config::valid_utf8(*text)) return refuse(400, "the reason is not UTF-8");
  reason = std::move(*text);
  return std::nullopt;
}

/// Of whom the request must be. Other people's pages in a browser are kept out: from TCP by the
/// name in Host, from what changes something by Origin, which a browser sends with it, and curl and
/// other programs do not. (The Unix socket may be forwarded to TCP, by ssh -L say.)
std::optional<answer> check_sender(const request& r, std::string_view authority, kind what,
                                   const surroundings& around) {
  const bool local = is_local_name(authority, around.host);
  if (around.where == place::metrics && !local && !(r.http_1_0 && authority.empty())) {
    return refuse(421, fmt::format("this server is not \"{}\"; use its numeric address, localhost, "
                                   "or the name that --metrics was given",
                                   authority));
  }
  if (changes_something(what) && !r.origin.empty() &&
      !(local && is_same_origin(r.origin, authority))) {
    return refuse(403, "a page of another server may not do this");
  }
  return std::nullopt;
}

std::optional<answer> check_method(const request& r, kind what, const surroundings& around) {
  const bool changes = changes_something(what);
  if (changes && around.where == place::metrics) {
    auto a = refuse(405, "this address only reads; the Unix socket of --control takes this");
    a.allow = "GET, HEAD";
    return a;
  }
  const bool reads = r.method == "GET" || r.method == "HEAD";
  if (changes ? r.method == "POST" : reads) return std::nullopt;
  auto a = refuse(405, fmt::format("this takes {} only", changes ? "POST" : "GET and HEAD"));
  a.allow = changes ? "POST" : "GET, HEAD";
  return a;
}

}  // namespace

decision route(const request& r, const surroundings& around) {
  const auto asked = split_target(r.target);
  const auto authority = asked.authority.empty() ? std::string_view(r.host) : asked.authority;
  const auto what = look_up(asked.path);
  if (auto no = check_sender(r, authority, what ? what->what : kind::page, around)) return *no;
  if (!what) return unknown_path(around);
  if (auto no = check_method(r, what->what, around)) return *no;
  action a;
  a.what = what->what;
  a.without_body = r.method == "HEAD";
  if (a.waits()) {
    if (auto no = find_export(*what, around, a.export_name)) return *no;
  }
  if (a.what == kind::abort) {
    if (auto no = read_reason(r, asked.query, a.reason)) return *no;
  }
  if (r.accept.find("application/openmetrics-text") != r.accept.npos) {
    a.form = status::metrics_format::openmetrics;
  }
  return a;
}

}  // namespace nbdstream::control
