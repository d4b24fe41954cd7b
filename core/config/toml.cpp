// SPDX-License-Identifier: BSD-3-Clause
#include "config/toml.hpp"

#include "config/keys.hpp"
#include "config/text.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

namespace nbdstream::config {
namespace {

/// Reads one parsed file into the structures.
class reader {
 public:
  reader(const std::string& name, configuration& into) : name_(printable(name)), into_(into) {}
  void read(const toml::table& root);

 private:
  void read_server(const toml::node& node);
  void read_exports(const toml::node& node);
  void read_export(const toml::node& node);
  void read_sink(const toml::node& node, sink_config& into);

  template <class Target>
  void read_key(const key<Target>& k, const toml::node& node, Target& into);
  template <class Target>
  void read_value(const key<Target>& k, const toml::node& node, Target& into);

  /// The text of a scalar as its key wants it; throws where the type is another.
  std::string scalar(const toml::node& node, std::string_view name, value_type type);
  /// The text of a sink's setting, of whatever type.
  std::string setting(const toml::node& node, std::string_view name);
  std::string string_of(const toml::node& node);
  const toml::table& table_of(const toml::node& node, std::string_view advice);

  std::string where(const toml::source_position& at) const {
    return fmt::format("{}:{}:{}", name_, at.line, at.column);
  }
  std::string where(const toml::node& node) const { return where(node.source().begin); }
  [[noreturn]] void fail(const toml::node& node, std::string_view message) const {
    throw error(fmt::format("{}: {}", where(node), message));
  }
  [[noreturn]] void unknown_key(const toml::key& k, std::string_view table,
                                std::vector<std::string_view> known) const;

  std::string name_;  ///< of the file, for messages
  configuration& into_;
};

/// A whole number as it stands in the file, or nothing.
std::string number_as_written(const toml::node& node) {
  if (!node.is_integer()) return {};
  const auto& number = *node.as_integer();
  using flags = toml::value_flags;
  if ((number.flags() & flags::format_as_octal) != flags::none)
    return fmt::format("0o{:o}", number.get());
  if ((number.flags() & flags::format_as_hexadecimal) != flags::none)
    return fmt::format("0x{:x}", number.get());
  if ((number.flags() & flags::format_as_binary) != flags::none)
    return fmt::format("0b{:b}", number.get());
  return fmt::format("{}", number.get());
}

/// What to write instead of an option that has another form in the file.
std::string_view advice_for(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> advice{
      {{"no-pad", "write pad = false"},
       {"export-name", "write name = \"NAME\""},
       {"option", "write KEY = VALUE under [export.sink]"},
       {"unix", "write listen = \"unix:PATH\""},
       {"port", "write listen = \"tcp:127.0.0.1:PORT\""},
       {"ipaddr", "write listen = \"tcp:ADDRESS:PORT\""},
       {"vsock", "write listen = \"vsock:PORT\""},
       {"verbose", "write log-level = \"debug\""},
       {"exports", "write [[export]]"},
       {"foreground", "nbdstream never goes to the background: leave it out"}}};
  for (const auto& [key, text] : advice) {
    if (key == name) return text;
  }
  return {};
}

std::string_view kind_of(value_type type) {
  switch (type) {
    case value_type::integer: return "a whole number";
    case value_type::word_or_integer: return "a whole number, or a word";
    case value_type::boolean: return "true or false";
    case value_type::size: return "a size, as in 4096 or \"40G\"";
    case value_type::duration: return "a time, as in 10 or \"500ms\"";
    case value_type::list: return "an array of strings";
    case value_type::text: break;
  }
  return "a string, in quotes";
}

void reader::unknown_key(const toml::key& k, std::string_view table,
                         std::vector<std::string_view> known) const {
  std::string_view advice = advice_for(k.str());
  std::string hint = advice.empty() ? did_you_mean(k.str(), known) : fmt::format("; {}", advice);
  if (hint.empty() && find_key(server_keys(), k.str()) != nullptr)
    hint = "; it belongs in [server]";
  if (hint.empty() && find_key(export_keys(), k.str()) != nullptr) {
    hint = "; it belongs in [[export]]";
  }
  throw error(
      fmt::format("{}: unknown key {} {}{}", where(k.source().begin), quote(k.str()), table, hint));
}

const toml::table& reader::table_of(const toml::node& node, std::string_view advice) {
  if (!node.is_table()) fail(node, advice);
  return *node.as_table();
}

std::string reader::string_of(const toml::node& node) {
  std::string text = node.as_string()->get();
  if (text.find('\0') != text.npos) fail(node, "a string with a NUL in it cannot be used");
  return text;
}

std::string reader::scalar(const toml::node& node, std::string_view name, value_type type) {
  const bool text = type == value_type::text || type == value_type::size ||
                    type == value_type::word_or_integer || type == value_type::duration ||
                    type == value_type::list;
  const bool integer = type == value_type::integer || type == value_type::size ||
                       type == value_type::duration || type == value_type::word_or_integer;
  if (text && node.is_string()) return string_of(node);
  if (integer && node.is_integer()) return fmt::format("{}", node.as_integer()->get());
  if (type == value_type::boolean && node.is_boolean()) {
    return node.as_boolean()->get() ? "true" : "false";
  }
  fail(node, fmt::format("{} must be {}", name, kind_of(type)));
}

template <class Target>
void reader::read_key(const key<Target>& k, const toml::node& node, Target& into) {
  if (k.type != value_type::list || !node.is_array()) {
    read_value(k, node, into);
    return;
  }
  for (const toml::node& element : *node.as_array()) read_value(k, element, into);
}

template <class Target>
void reader::read_value(const key<Target>& k, const toml::node& node, Target& into) {
  const std::string text = scalar(node, k.name, k.type);
  try {
    k.set(into, text);
  } catch (const error& fault) {
    fail(node, fmt::format("{}: {}", k.name, fault.what()));
  }
}

void reader::read_server(const toml::node& node) {
  for (const auto& [name, value] : table_of(node, "server must be a table: [server]")) {
    const auto* k = find_key(server_keys(), name.str());
    if (k == nullptr) unknown_key(name, "in [server]", names_of(server_keys()));
    read_key(*k, value, into_.server);
  }
}

void reader::read_exports(const toml::node& node) {
  if (!node.is_array()) fail(node, "export must be an array of tables: write [[export]]");
  if (node.as_array()->empty()) fail(node, "export is empty; write [[export]], or leave it out");
  into_.exports.clear();
  for (const toml::node& element : *node.as_array()) {
    read_export(element);
    const auto& name = into_.exports.back().name;
    const bool twice = std::any_of(into_.exports.begin(), into_.exports.end() - 1,
                                   [&](const export_config& other) { return other.name == name; });
    if (!twice) continue;
    fail(element,
         fmt::format("there is an export {} already; give each its own name", quote(name)));
  }
}

void reader::read_export(const toml::node& node) {
  export_config& into = into_.exports.emplace_back();
  into.sink.where = where(node);
  for (const auto& [name, value] : table_of(node, "export must be a table: [[export]]")) {
    if (name.str() == "sink") {
      read_sink(value, into.sink);
      continue;
    }
    const auto* k = find_key(export_keys(), name.str());
    if (k == nullptr) {
      auto known = names_of(export_keys());
      known.push_back("sink");
      unknown_key(name, "in [[export]]", known);
    }
    read_key(*k, value, into);
  }
}

std::string reader::setting(const toml::node& node, std::string_view name) {
  if (node.is_string()) return string_of(node);
  if (node.is_integer()) return fmt::format("{}", node.as_integer()->get());
  if (node.is_boolean()) return node.as_boolean()->get() ? "true" : "false";
  if (node.is_floating_point()) return fmt::format("{}", node.as_floating_point()->get());
  fail(node, fmt::format("{} must be a string, a number, true or false", quote(name)));
}

void reader::read_sink(const toml::node& node, sink_config& into) {
  into.where = where(node);
  // A table is sorted by name; settings stay in the order of the file.
  std::map<std::pair<toml::source_index, toml::source_index>, sink_setting> settings;
  for (const auto& [name, value] :
       table_of(node, "sink must be a table: [export.sink] with module = \"NAME\"")) {
    if (name.str() == "module") {
      into.module = scalar(value, "module", value_type::text);
      if (into.module.empty()) fail(value, "module is empty; give a name, as in \"fifo\"");
    } else if (name.str() == "argument") {
      into.argument = scalar(value, "argument", value_type::text);
    } else {
      const auto at = name.source().begin;
      settings[{at.line, at.column}] = {std::string(name.str()), setting(value, name.str()),
                                        where(value), number_as_written(value)};
    }
  }
  for (auto& [at, one] : settings) into.settings.push_back(std::move(one));
}

void reader::read(const toml::table& root) {
  for (const auto& [name, value] : root) {
    if (name.str() == "server") {
      read_server(value);
    } else if (name.str() == "export") {
      read_exports(value);
    } else {
      unknown_key(name, "at the top", {"server", "export"});
    }
  }
}

/// Whether `word` is a value of TOML by itself.
bool is_value(std::string_view word) try {
  static_cast<void>(toml::parse(fmt::format("key = {}", word)));
  return true;
} catch (const toml::parse_error&) {
  return false;
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t\r") + 1);
}

/// What is wrong with line `number`, and in which column, where it is KEY = WORD, as people write
/// size = 40G.
std::optional<std::pair<std::ptrdiff_t, std::string>> missing_quotes(std::string_view text,
                                                                     std::size_t number) {
  for (; number > 1 && !text.empty(); --number) {
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  const auto line = text.substr(0, text.find('\n'));
  const auto equals = std::min(line.find('='), line.size());
  const auto key = printable(trimmed(line.substr(0, equals)));
  const auto value = line.substr(std::min(equals + 1, line.size()));
  const auto word = trimmed(value.substr(0, value.find('#')));
  const bool quotable = !word.empty() && word.find_first_of(" \t\"'[]{}=,") == word.npos;
  if (!quotable || is_value(word)) return std::nullopt;
  return std::pair(
      word.data() - line.data() + 1,
      fmt::format("{0} = {1}: text stands in quotes; write {0} = \"{1}\"", key, printable(word)));
}

}  // namespace

void read_toml(std::string_view text, const std::string& name, configuration& into) {
  toml::table root;
  try {
    root = toml::parse(text, std::string_view(name));
  } catch (const toml::parse_error& fault) {
    const auto at = fault.source().begin;
    if (const auto found = missing_quotes(text, at.line)) {
      throw error(
          fmt::format("{}:{}:{}: {}", printable(name), at.line, found->first, found->second));
    }
    throw error(fmt::format("{}:{}:{}: {}", printable(name), at.line, at.column,
                            printable(fault.description())));
  }
  reader(name, into).read(root);
}

}  // namespace nbdstream::config
