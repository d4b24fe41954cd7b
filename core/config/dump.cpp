// SPDX-License-Identifier: BSD-3-Clause
#include "config/dump.hpp"

#include "config/keys.hpp"
#include "config/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace nbdstream::config {
namespace {

/// `text` as a basic string of TOML: escapes instead of control characters, always one line.
std::string toml_string(std::string_view text, std::string_view key) {
  if (!valid_utf8(text)) {
    throw error(
        fmt::format("{}: {} is not valid UTF-8, so TOML cannot carry it", key, quote(text)));
  }
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// A key: bare where TOML allows it, else a string.
std::string toml_key(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  return bare ? std::string(key) : toml_string(key, "a setting's name");
}

void append(std::string& out, std::string_view key, std::string_view value) {
  fmt::format_to(std::back_inserter(out), "{} = {}\n", key, value);
}

template <class Target>
void append_keys(std::string& out, std::span<const key<Target>> keys, const Target& from) {
  for (const auto& k : keys) {
    if (k.get == nullptr) continue;
    const std::vector<std::string> values = k.get(from);
    if (values.empty()) continue;
    if (k.type == value_type::integer || k.type == value_type::boolean) {
      append(out, k.name, values.front());
    } else if (k.type != value_type::list) {
      append(out, k.name, toml_string(values.front(), k.name));
    } else {
      std::string list;
      for (const auto& v : values) {
        list += (list.empty() ? "" : ", ") + toml_string(v, k.name);
      }
      append(out, k.name, fmt::format("[{}]", list));
    }
  }
}

void append_setting(std::string& out, const export_config& e, std::string_view key,
                    std::string_view value, const secret_check& is_secret) {
  if (is_secret && is_secret(e, key)) {
    fmt::format_to(std::back_inserter(out), "# {} is a secret and not shown\n", toml_key(key));
  } else {
    append(out, toml_key(key), toml_string(value, key));
  }
}

}  // namespace

std::string to_toml(const configuration& config, const secret_check& is_secret) {
  std::string out = "[server]\n";
  append_keys(out, server_keys(), config.server);
  for (const export_config& e : config.exports) {
    out += "\n[[export]]\n";
    append_keys(out, export_keys(), e);
    const bool raw = e.format == stream_format::raw;
    if (raw && e.order == order_mode::automatic) {
      out += "# order \"auto\" is \"spill\"\n";
    }
    if (!e.gaps && !e.diff_from) {
      const bool allow = effective_gaps(e, config.server) == gaps_policy::allow;
      out += fmt::format("# gaps = \"{}\" unless it is given\n", allow ? "allow" : "refuse");
    }
    out += "[export.sink]\n";
    append(out, "module", toml_string(e.sink.module, "module"));
    if (e.sink.argument) append_setting(out, e, "argument", *e.sink.argument, is_secret);
    for (const auto& s : e.sink.settings) append_setting(out, e, s.key, s.value, is_secret);
  }
  return out;
}

}  // namespace nbdstream::config
