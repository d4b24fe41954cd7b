// SPDX-License-Identifier: BSD-3-Clause
#include "config/cli.hpp"

#include "config/command_options.hpp"
#include "config/keys.hpp"
#include "config/parse.hpp"
#include "config/text.hpp"
#include "config/toml.hpp"

#include <fmt/format.h>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>

#include <algorithm>

namespace nbdstream::config {
namespace {

namespace po = boost::program_options;

/// One option as it was given.
struct token {
  const command_option* option;
  std::string value;
  std::string where;  ///< "--size", "size=": begins an error message
};

po::options_description describe_options() {
  po::options_description all;
  for (const auto& option : command_options()) {
    std::string names(option.name);
    if (option.letter != 0) names += fmt::format(",{}", option.letter);
    if (option.value.empty()) {
      all.add_options()(names.c_str(), "");
    } else {
      all.add_options()(names.c_str(), po::value<std::string>(), "");
    }
  }
  return all;
}

/// Takes an option whose value is optional and not there, as in `--progress` without `=FD`, since
/// program_options would take the next word for the value.
std::vector<po::option> take_without_value(std::vector<std::string>& words) {
  const std::string& word = words.front();
  if (!word.starts_with("--")) return {};
  const command_option* known = find_option(std::string_view(word).substr(2));
  if (known == nullptr || known->value.empty() || known->implied.empty()) return {};
  po::option taken(std::string(known->name), {std::string(known->implied)});
  taken.original_tokens = {word};
  words.erase(words.begin());
  return {std::move(taken)};
}

[[noreturn]] void refuse_unknown(const std::string& given) {
  if (given.starts_with("--")) {
    std::vector<std::string_view> names;
    for (const auto& option : command_options()) names.push_back(option.name);
    const auto name = nearest_name(std::string_view(given).substr(2), names);
    if (!name.empty()) {
      throw error(fmt::format("{}: unknown option; did you mean --{}?", quote(given), name));
    }
  }
  throw error(fmt::format("{}: unknown option; see nbdstream --help", quote(given)));
}

[[noreturn]] void refuse_syntax(const po::invalid_syntax& fault) {
  const std::string option = fault.get_option_name();
  switch (fault.kind()) {
    case po::invalid_syntax::missing_parameter:
      throw error(fmt::format("{} needs a value; see nbdstream --help", option));
    case po::invalid_syntax::empty_adjacent_parameter:
      throw error(
          fmt::format("{}: nothing follows the equals sign; for an empty value write "
                      "{} ''",
                      option, option));
    case po::invalid_syntax::extra_parameter:
      throw error(fmt::format("{} takes no value; see nbdstream --help", option));
    default: throw error(fmt::format("{}: not understood; see nbdstream --help", option));
  }
}

std::vector<po::option> split(int argc, const char* const* argv) try {
  using namespace po::command_line_style;
  const po::options_description known = describe_options();
  return po::command_line_parser(argc, argv)
      .options(known)
      .extra_style_parser(take_without_value)
      .style(allow_long | long_allow_adjacent | long_allow_next | allow_short |
             allow_dash_for_short | short_allow_adjacent | short_allow_next | allow_sticky)
      .run()
      .options;
} catch (const po::unknown_option& fault) {
  refuse_unknown(fault.get_option_name());
} catch (const po::invalid_syntax& fault) {
  refuse_syntax(fault);
}

/// The command line's words as options, each that is meant once given once.
std::vector<token> tokenize(int argc, const char* const* argv) {
  std::vector<token> tokens;
  for (const po::option& given : split(argc, argv)) {
    token t;
    if (given.position_key >= 0) {
      auto word = parse_positional(given.original_tokens.at(0));
      t = {word.option, std::move(word.value), std::move(word.where)};
    } else {
      const command_option* option = find_option(given.string_key);
      t = {option, std::string(option->implied), fmt::format("--{}", option->name)};
      if (!given.value.empty()) t.value = given.value.front();
    }
    const auto same = std::find_if(tokens.begin(), tokens.end(),
                                   [&](const token& other) { return other.option == t.option; });
    if (same != tokens.end() && !t.option->value.empty() && !t.option->repeatable) {
      throw error(same->where == t.where
                      ? fmt::format("{} is given twice; give it once", t.where)
                      : fmt::format("{} and {} say the same thing; give one of them", same->where,
                                    t.where));
    }
    tokens.push_back(std::move(t));
  }
  return tokens;
}

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
      fmt::format("{} has {} exports ({}); say it there, under the [[export]] that is meant",
                  printable(file), config.exports.size(), names));
}

template <class Target>
void set_key(std::span<const key<Target>> keys, Target& target, const token& t) {
  find_key(keys, t.option->key)->set(target, t.value);
}

void apply(const token& t, command_line& line, configuration& config, const std::string& file) try {
  switch (t.option->target) {
    case option_target::server: set_key(server_keys(), config.server, t); break;
    case option_target::exported: set_key(export_keys(), the_export(config, file), t); break;
    case option_target::line: t.option->apply(line, t.value); break;
  }
} catch (const error& fault) {
  throw error(fmt::format("{}: {}", t.where, fault.what()));
}

const token* find_token(const std::vector<token>& tokens, std::string_view option) {
  const auto found = std::find_if(tokens.begin(), tokens.end(),
                                  [&](const token& t) { return t.option->name == option; });
  return found == tokens.end() ? nullptr : &*found;
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

/// How to be reached is one choice: what the command line says about it replaces the file's.
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

}  // namespace

command parse_command_line(int argc, const char* const* argv) {
  command out;
  const std::vector<token> tokens = tokenize(argc, argv);
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
