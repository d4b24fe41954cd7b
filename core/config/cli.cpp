// SPDX-License-Identifier: BSD-3-Clause
#include "config/cli.hpp"

#include "config/command_options.hpp"
#include "config/keys.hpp"
#include "config/parse.hpp"
#include "config/text.hpp"
#include "config/tokens.hpp"
#include "config/toml.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream::config {
namespace {

/// The export that options of the command line are about: the only one there is.
export_config& the_export(configuration& config, std::string_view file) {
  if (config.exports.empty()) config.exports.emplace_back();
  if (config.exports.size() == 1) return config.exports.front();
  std::string names;
  for (const auto& e : config.exports) {
    if (names.size() > 200) {
      names += ", ...";
      break;
    }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", quote(e.name));
  }
  throw error(
      fmt::format("{} has {} exports ({}); set it in the file, under the [[export]] that it is for",
                  printable(file), config.exports.size(), names));
}

template <class Target>
void set_key(std::span<const key<Target>> keys, Target& target, const token& t) {
  find_key(keys, t.option->key)->set(target, t.value);
}

/// The sink of the command line replaces the file's; a setting of it only the file's of that key.
void merge_sink(command_line& line, configuration& config, const std::string& file,
                const std::vector<token>& tokens) {
  const token* given = find_token(tokens, "sink");
  if (const token* checked = find_token(tokens, "check-sink")) {
    if (given != nullptr) throw error("--check-sink names the sink; leave out --sink");
    given = checked;
  }
  const std::string where = given != nullptr ? given->where : "--option";
  if (given == nullptr && line.settings.empty()) return;
  try {
    sink_config& sink = the_export(config, file).sink;
    if (given != nullptr) {
      sink = *line.sink;
      sink.where = where;
    }
    for (auto& setting : line.settings) {
      std::erase_if(sink.settings, [&](const auto& s) { return s.key == setting.key; });
      sink.settings.push_back(std::move(setting));
    }
  } catch (const error& fault) {
    throw error(fmt::format("{}: {}", where, fault.what()));
  }
}

}  // namespace

void apply(const token& t, command_line& line, configuration& config, const std::string& file) try {
  switch (t.option->target) {
    case option_target::server: set_key(server_keys(), config.server, t); break;
    case option_target::exported: set_key(export_keys(), the_export(config, file), t); break;
    case option_target::line: t.option->apply(line, t.value); break;
  }
} catch (const error& fault) {
  throw error(fmt::format("{}: {}", t.where, fault.what()));
}

void merge_listen(command_line& line, server_config& server, bool single) {
  auto& listen = line.listen;
  if (line.tcp_host || line.tcp_port) {
    listen_address address;
    address.what = listen_address::kind::tcp;
    address.host = line.tcp_host.value_or("127.0.0.1");
    address.port = line.tcp_port.value_or(address.port);
    listen.push_back(std::move(address));
  }
  if (listen.empty() && !single) return;
  server.single = single;
  server.listen = std::move(listen);
}

command parse_command_line(int argc, const char* const* argv) {
  command out;
  const std::vector<token> tokens = tokenize(argc, argv, command_options(), [](const auto& word) {
    return std::optional(parse_positional(word));
  });
  if (find_token(tokens, "help") != nullptr) {
    out.what = command::action::help;
    return out;
  }
  if (find_token(tokens, "version") != nullptr) {
    out.what = command::action::version;
    return out;
  }
  std::string file;
  if (const token* given = find_token(tokens, "config")) {
    file = given->value;
    load_toml(file, out.config);
  }
  command_line line;
  for (const token& t : tokens) apply(t, line, out.config, file);
  merge_sink(line, out.config, file, tokens);
  merge_listen(line, out.config.server, find_token(tokens, "single") != nullptr);
  out.what = line.what.value_or(command::action::serve);
  if (out.what == command::action::dump_sink) out.sink = line.dumped_sink;
  return out;
}

}  // namespace nbdstream::config
