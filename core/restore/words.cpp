// SPDX-License-Identifier: BSD-3-Clause
#include "restore/words.hpp"

#include "config/config.hpp"
#include "config/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace nbdstream::restore {
namespace {

const word_option& find(std::string_view name, std::span<const word_option> options,
                        std::string_view subcommand) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const word_option& o) { return o.name == name; });
  if (found != options.end()) return *found;
  std::vector<std::string_view> names;
  for (const auto& o : options) names.push_back(o.name);
  const auto nearest = config::nearest_name(name, names);
  const auto hint = nearest.empty() ? fmt::format("see nbdstream {} --help", subcommand)
                                    : fmt::format("did you mean --{}?", nearest);
  throw config::error(
      fmt::format("{}: unknown option; {}", config::quote(fmt::format("--{}", name)), hint));
}

}  // namespace

// As the options of the server are read: whole names only, `--name value` and `--name=value`.
std::vector<std::string> split_words(std::span<const char* const> argv,
                                     std::span<const word_option> options) {
  const std::string_view subcommand = argv[1];
  std::vector<std::string> words;
  for (std::size_t i = 2; i < argv.size(); ++i) {
    const std::string_view word = argv[i];
    if (word == "--") {
      words.insert(words.end(), argv.begin() + static_cast<std::ptrdiff_t>(i) + 1, argv.end());
      break;
    }
    if (word == "-" || !word.starts_with('-')) {
      words.emplace_back(word);
      continue;
    }
    if (!word.starts_with("--")) {
      throw config::error(fmt::format("{}: unknown option; see nbdstream {} --help",
                                      config::quote(word), subcommand));
    }
    const auto equals = word.find('=');
    const auto name = word.substr(2, equals == word.npos ? word.npos : equals - 2);
    const auto& option = find(name, options, subcommand);
    std::optional<std::string> value;
    if (equals != word.npos) value = word.substr(equals + 1);
    if (!option.takes_value && value)
      throw config::error(fmt::format("--{} takes no value", option.name));
    if (option.takes_value && !value) {
      if (++i == argv.size()) throw config::error(fmt::format("--{} needs a value", option.name));
      value = argv[i];
    }
    option.set(value.value_or(""));
  }
  return words;
}

}  // namespace nbdstream::restore
