// SPDX-License-Identifier: BSD-3-Clause
#include "config/tokens.hpp"

#include "config/text.hpp"

#include <fmt/format.h>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>

#include <algorithm>
#include <utility>

namespace nbdstream::config {
namespace {

namespace po = boost::program_options;

po::options_description describe(options_table options) {
  po::options_description all;
  for (const auto& option : options) {
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
std::vector<po::option> take_without_value(options_table options, std::vector<std::string>& words) {
  const std::string& word = words.front();
  if (!word.starts_with("--")) return {};
  const command_option* known = find_option(options, std::string_view(word).substr(2));
  if (known == nullptr || known->value.empty() || known->implied.empty()) return {};
  po::option taken(std::string(known->name), {std::string(known->implied)});
  taken.original_tokens = {word};
  words.erase(words.begin());
  return {std::move(taken)};
}

[[noreturn]] void refuse_unknown(options_table options, const std::string& given) {
  if (given.starts_with("--")) {
    std::vector<std::string_view> names;
    for (const auto& option : options) names.push_back(option.name);
    const auto name = nearest_name(std::string_view(given).substr(2), names);
    if (!name.empty()) {
      throw error(fmt::format("{}: unknown option; did you mean --{}?", quote(given), name));
    }
  }
  throw error(fmt::format("{}: unknown option; see --help", quote(given)));
}

[[noreturn]] void refuse_syntax(const po::invalid_syntax& fault) {
  const std::string option = fault.get_option_name();
  switch (fault.kind()) {
    case po::invalid_syntax::missing_parameter:
      throw error(fmt::format("{} needs a value; see --help", option));
    case po::invalid_syntax::empty_adjacent_parameter:
      throw error(
          fmt::format("{}: nothing follows the equals sign; for an empty value write "
                      "{} ''",
                      option, option));
    case po::invalid_syntax::extra_parameter:
      throw error(fmt::format("{} takes no value; see --help", option));
    default: throw error(fmt::format("{}: not understood; see --help", option));
  }
}

std::vector<po::option> split(int argc, const char* const* argv, options_table options) try {
  using namespace po::command_line_style;
  const po::options_description known = describe(options);
  return po::command_line_parser(argc, argv)
      .options(known)
      .extra_style_parser([&](auto& words) { return take_without_value(options, words); })
      .style(allow_long | long_allow_adjacent | long_allow_next | allow_short |
             allow_dash_for_short | short_allow_adjacent | short_allow_next | allow_sticky)
      .run()
      .options;
} catch (const po::unknown_option& fault) {
  refuse_unknown(options, fault.get_option_name());
} catch (const po::invalid_syntax& fault) {
  refuse_syntax(fault);
}

}  // namespace

std::vector<token> tokenize(int argc, const char* const* argv, options_table options,
                            const positional_handler& positional) {
  std::vector<token> tokens;
  for (const po::option& given : split(argc, argv, options)) {
    token t;
    if (given.position_key >= 0) {
      auto word = positional(given.original_tokens.at(0));
      if (!word) continue;
      t = {word->option, std::move(word->value), std::move(word->where)};
    } else {
      const command_option* option = find_option(options, given.string_key);
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

const token* find_token(std::span<const token> tokens, std::string_view option) {
  const auto found = std::find_if(tokens.begin(), tokens.end(),
                                  [&](const token& t) { return t.option->name == option; });
  return found == tokens.end() ? nullptr : &*found;
}

}  // namespace nbdstream::config
