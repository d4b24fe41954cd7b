// SPDX-License-Identifier: BSD-3-Clause
#include "config/keys.hpp"

#include "config/parse.hpp"
#include "config/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <limits>

namespace nbdstream::config {
namespace {

using view = std::string_view;
using value_list = std::vector<std::string>;

/// A word that stands for a value.
template <class T>
struct choice {
  std::string_view word;
  T value;
};

constexpr std::array<choice<order_mode>, 5> orders{{{"auto", order_mode::automatic},
                                                    {"strict", order_mode::strict},
                                                    {"window", order_mode::window},
                                                    {"spill", order_mode::spill},
                                                    {"spool", order_mode::spool}}};
constexpr std::array<choice<gaps_policy>, 2> gaps_policies{
    {{"allow", gaps_policy::allow}, {"refuse", gaps_policy::refuse}}};
constexpr std::array<choice<stream_format>, 2> stream_formats{
    {{"raw", stream_format::raw}, {"rbd-diff", stream_format::rbd_diff}}};
constexpr std::array<choice<data_path>, 2> data_paths{
    {{"auto", data_path::automatic}, {"copy", data_path::copy}}};
constexpr std::array<choice<tls_mode>, 3> tls_modes{
    {{"off", tls_mode::off}, {"on", tls_mode::on}, {"require", tls_mode::require}}};
constexpr std::array<choice<end_policy>, 2> end_policies{
    {{"goodbye", end_policy::goodbye}, {"told", end_policy::told}}};
constexpr std::array<choice<digest_algorithm>, 3> digests{{{"sha256", digest_algorithm::sha256},
                                                           {"blake2b", digest_algorithm::blake2b},
                                                           {"xxh3", digest_algorithm::xxh3}}};
constexpr std::array<choice<log::target>, 2> log_targets{
    {{"stderr", log::target::standard_error}, {"journal", log::target::journal}}};
constexpr std::array<choice<log::level>, 4> levels{{{"error", log::level::error},
                                                    {"warning", log::level::warning},
                                                    {"info", log::level::info},
                                                    {"debug", log::level::debug}}};
constexpr std::array<choice<log::format>, 2> formats{
    {{"text", log::format::text}, {"json", log::format::json}}};

template <class T, std::size_t N>
T choose(const std::array<choice<T>, N>& choices, view word) {
  std::vector<std::string_view> words;
  for (const auto& c : choices) {
    if (c.word == word) return c.value;
    words.push_back(c.word);
  }
  throw error(fmt::format("{} is not one of {}{}", quote(word), fmt::join(words, ", "),
                          did_you_mean(word, words)));
}

template <class T, std::size_t N>
value_list word_for(const std::array<choice<T>, N>& choices, T value) {
  for (const auto& c : choices) {
    if (c.value == value) return {std::string(c.word)};
  }
  return {};
}

view not_empty(view value, view what) {
  if (value.empty()) throw error(fmt::format("the value is empty; give {}", what));
  return value;
}

value_list shown(bool value) {
  return {value ? "true" : "false"};
}

value_list unless_empty(const std::string& value) {
  return value.empty() ? value_list() : value_list{value};
}

using server = server_config;

void set_progress(server& s, view value) {
  s.progress = value == "auto";
  s.progress_fd.reset();
  if (s.progress) return;
  s.progress_fd = static_cast<int>(parse_integer(value, 0, std::numeric_limits<int>::max()));
}

constexpr std::array<key<server>, 25> keys_of_server{{
    {"listen", value_type::list, [](server& s, view v) { s.listen.push_back(parse_listen(v)); },
     [](const server& s) {
       value_list out;
       for (const auto& address : s.listen) out.push_back(format_listen(address));
       return out;
     }},
    {"unix-mode", value_type::text, [](server& s, view v) { s.unix_mode = parse_mode(v); },
     [](const server& s) {
       return s.unix_mode ? value_list{format_mode(*s.unix_mode)} : value_list();
     }},
    {"single", value_type::boolean, [](server& s, view v) { s.single = parse_boolean(v); },
     [](const server& s) { return shown(s.single); }},
    {"run", value_type::text,
     [](server& s, view v) { s.run = not_empty(v, "a command for the shell"); },
     [](const server& s) { return unless_empty(s.run); }},
    {"run-shell", value_type::text,
     [](server& s, view v) { s.run_shell = not_empty(v, "a path, as in /bin/bash"); },
     [](const server& s) { return value_list{s.run_shell}; }},
    {"run-grace", value_type::duration, [](server& s, view v) { s.run_grace = parse_duration(v); },
     [](const server& s) { return value_list{format_duration(s.run_grace)}; }},
    {"grace", value_type::duration, [](server& s, view v) { s.grace = parse_duration(v); },
     [](const server& s) { return value_list{format_duration(s.grace)}; }},
    {"handshake-timeout", value_type::duration,
     [](server& s, view v) { s.handshake_timeout = parse_duration(v); },
     [](const server& s) { return value_list{format_duration(s.handshake_timeout)}; }},
    {"payload-timeout", value_type::duration,
     [](server& s, view v) { s.payload_timeout = parse_duration(v); },
     [](const server& s) { return value_list{format_duration(s.payload_timeout)}; }},
    {"client-timeout", value_type::duration,
     [](server& s, view v) { s.client_timeout = parse_duration(v); },
     [](const server& s) {
       return s.client_timeout ? value_list{format_duration(*s.client_timeout)} : value_list();
     }},
    {"data-path", value_type::text, [](server& s, view v) { s.path = choose(data_paths, v); },
     [](const server& s) { return word_for(data_paths, s.path); }},
    {"pidfile", value_type::text, [](server& s, view v) { s.pidfile = not_empty(v, "a path"); },
     [](const server& s) { return unless_empty(s.pidfile); }},
    {"exit-with-parent", value_type::boolean,
     [](server& s, view v) { s.exit_with_parent = parse_boolean(v); },
     [](const server& s) { return shown(s.exit_with_parent); }},
    {"control", value_type::text, [](server& s, view v) { s.control = not_empty(v, "a path"); },
     [](const server& s) { return unless_empty(s.control); }},
    {"control-mode", value_type::text, [](server& s, view v) { s.control_mode = parse_mode(v); },
     [](const server& s) {
       return s.control.empty() ? value_list() : value_list{format_mode(s.control_mode)};
     }},
    {"metrics", value_type::word_or_integer,
     [](server& s, view v) { s.metrics = parse_metrics_address(v); },
     [](const server& s) {
       return s.metrics ? value_list{format_metrics_address(*s.metrics)} : value_list();
     }},
    {"metrics-file", value_type::text,
     [](server& s, view v) { s.metrics_file = not_empty(v, "a path"); },
     [](const server& s) { return unless_empty(s.metrics_file); }},
    {"progress", value_type::word_or_integer, set_progress,
     [](const server& s) {
       if (s.progress) return value_list{"auto"};
       return s.progress_fd ? value_list{std::to_string(*s.progress_fd)} : value_list();
     }},
    {"log", value_type::text, [](server& s, view v) { s.log_to = choose(log_targets, v); },
     [](const server& s) { return s.log_to ? word_for(log_targets, *s.log_to) : value_list(); }},
    {"log-level", value_type::text, [](server& s, view v) { s.log_level = choose(levels, v); },
     [](const server& s) { return word_for(levels, s.log_level); }},
    {"log-format", value_type::text, [](server& s, view v) { s.log_format = choose(formats, v); },
     [](const server& s) { return word_for(formats, s.log_format); }},
    {"tls", value_type::text, [](server& s, view v) { s.tls = choose(tls_modes, v); },
     [](const server& s) { return s.tls ? word_for(tls_modes, *s.tls) : value_list(); }},
    {"tls-certificates", value_type::text,
     [](server& s, view v) { s.tls_certificates = not_empty(v, "a directory"); },
     [](const server& s) { return unless_empty(s.tls_certificates); }},
    {"tls-psk", value_type::text, [](server& s, view v) { s.tls_psk = not_empty(v, "a file"); },
     [](const server& s) { return unless_empty(s.tls_psk); }},
    {"tls-verify-peer", value_type::boolean,
     [](server& s, view v) { s.tls_verify_peer = parse_boolean(v); },
     [](const server& s) { return shown(s.tls_verify_peer); }},
}};

using exported = export_config;
constexpr std::array<key<exported>, 21> keys_of_export{{
    {"name", value_type::text, [](exported& e, view v) { e.name = v; },
     [](const exported& e) { return value_list{e.name}; }},
    {"description", value_type::text, [](exported& e, view v) { e.description = v; },
     [](const exported& e) { return unless_empty(e.description); }},
    {"size", value_type::size, [](exported& e, view v) { e.size = parse_size(v); },
     [](const exported& e) { return e.size ? value_list{format_size(*e.size)} : value_list(); }},
    {"max-stream", value_type::size, [](exported& e, view v) { e.max_stream = parse_size(v); },
     [](const exported& e) {
       return e.size ? value_list() : value_list{format_size(e.max_stream)};
     }},
    {"order", value_type::text, [](exported& e, view v) { e.order = choose(orders, v); },
     [](const exported& e) { return word_for(orders, e.order); }},
    {"window", value_type::size, [](exported& e, view v) { e.window = parse_size(v); },
     [](const exported& e) { return value_list{format_size(e.window)}; }},
    {"stall", value_type::duration, [](exported& e, view v) { e.stall = parse_duration(v); },
     [](const exported& e) { return value_list{format_duration(e.stall)}; }},
    {"spill-directory", value_type::text,
     [](exported& e, view v) { e.spill_directory = not_empty(v, "a directory"); },
     [](const exported& e) { return unless_empty(e.spill_directory); }},
    {"spill-limit", value_type::size, [](exported& e, view v) { e.spill_limit = parse_size(v); },
     [](const exported& e) {
       return e.spill_limit ? value_list{format_size(*e.spill_limit)} : value_list();
     }},
    {"gaps", value_type::text, [](exported& e, view v) { e.gaps = choose(gaps_policies, v); },
     [](const exported& e) { return e.gaps ? word_for(gaps_policies, *e.gaps) : value_list(); }},
    {"pad", value_type::boolean, [](exported& e, view v) { e.pad = parse_boolean(v); },
     [](const exported& e) { return shown(e.pad); }},
    {"format", value_type::text, [](exported& e, view v) { e.format = choose(stream_formats, v); },
     [](const exported& e) { return word_for(stream_formats, e.format); }},
    {"diff-from", value_type::text,
     [](exported& e, view v) { e.diff_from = not_empty(v, "a snapshot's name"); },
     [](const exported& e) { return e.diff_from ? value_list{*e.diff_from} : value_list(); }},
    {"diff-to", value_type::text,
     [](exported& e, view v) { e.diff_to = not_empty(v, "a snapshot's name"); },
     [](const exported& e) { return e.diff_to ? value_list{*e.diff_to} : value_list(); }},
    {"expect-bytes", value_type::size, [](exported& e, view v) { e.expect_bytes = parse_size(v); },
     [](const exported& e) {
       return e.expect_bytes ? value_list{format_size(*e.expect_bytes)} : value_list();
     }},
    {"streams", value_type::integer,
     [](exported& e, view v) { e.streams = static_cast<std::uint64_t>(parse_integer(v, 0)); },
     [](const exported& e) { return value_list{std::to_string(e.streams)}; }},
    {"end", value_type::text, [](exported& e, view v) { e.end = choose(end_policies, v); },
     [](const exported& e) { return word_for(end_policies, e.end); }},
    {"receipt", value_type::text, [](exported& e, view v) { e.receipt = not_empty(v, "a path"); },
     [](const exported& e) { return unless_empty(e.receipt); }},
    {"digest", value_type::text, [](exported& e, view v) { e.digest = choose(digests, v); },
     [](const exported& e) { return e.digest ? word_for(digests, *e.digest) : value_list(); }},
    {"compress", value_type::text, [](exported& e, view v) { e.zstd_level = parse_compression(v); },
     [](const exported& e) {
       return e.zstd_level ? value_list{format_compression(*e.zstd_level)} : value_list();
     }},
    {"settle", value_type::duration, [](exported& e, view v) { e.settle = parse_duration(v); },
     [](const exported& e) { return value_list{format_duration(e.settle)}; }},
}};

}  // namespace

std::span<const key<server_config>> server_keys() {
  return keys_of_server;
}
std::span<const key<export_config>> export_keys() {
  return keys_of_export;
}

}  // namespace nbdstream::config
