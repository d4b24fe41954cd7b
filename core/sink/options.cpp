// SPDX-License-Identifier: BSD-3-Clause
#include "sink/options.hpp"

#include "config/parse.hpp"
#include "config/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace nbdstream::sink {
namespace {

using config::error;
using config::quote;

bool has(const nbdstream_option& option, nbdstream_option_flags flag) {
  return (option.flags & static_cast<std::uint32_t>(flag)) != 0;
}

const nbdstream_option* find_option(option_list options, std::string_view name) {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](auto& o) { return name == o.name; });
  return found == options.end() ? nullptr : &*found;
}

std::string_view kind_of(std::uint32_t type) {
  switch (type) {
    case NBDSTREAM_OPTION_INTEGER: return "a whole number";
    case NBDSTREAM_OPTION_BOOLEAN: return "true or false";
    case NBDSTREAM_OPTION_SIZE: return "a size";
    case NBDSTREAM_OPTION_DURATION: return "a time";
    case NBDSTREAM_OPTION_MODE: return "permissions in octal digits";
    default: return "a string";
  }
}

/// nbdstream_setting::number of `text`; throws config::error.
std::int64_t number_of(std::uint32_t type, std::string_view text) {
  switch (type) {
    case NBDSTREAM_OPTION_INTEGER: return config::parse_integer(text);
    case NBDSTREAM_OPTION_BOOLEAN: return config::parse_boolean(text) ? 1 : 0;
    case NBDSTREAM_OPTION_SIZE: return static_cast<std::int64_t>(config::parse_size(text));
    case NBDSTREAM_OPTION_DURATION: return config::parse_duration(text).count();
    case NBDSTREAM_OPTION_MODE: return config::parse_mode(text);
    default: return 0;
  }
}

/// The same for what the user wrote; a secret is not repeated in the message.
std::int64_t user_number(const nbdstream_option& option, const std::string& text,
                         const std::string& where) try {
  return number_of(option.type, text);
} catch (const error& fault) {
  if (!has(option, NBDSTREAM_OPTION_SECRET)) {
    throw error(fmt::format("{}: {}: {}", where, option.name, fault.what()));
  }
  throw error(fmt::format("{}: {}: the value is not {}", where, option.name, kind_of(option.type)));
}

/// A number in a file does not say how it was meant: 0o640 is 416, and permissions are written
/// without the 0o elsewhere. They must be a string, and so must a number for an option that is a
/// string, unless it is decimal.
void refuse_number(const nbdstream_option& option, const config::sink_setting& setting) {
  const bool is_mode = option.type == NBDSTREAM_OPTION_MODE;
  const bool is_string = option.type == NBDSTREAM_OPTION_STRING;
  const bool decimal = setting.number == setting.value;
  if (setting.number.empty() || !(is_mode || (is_string && !decimal))) return;
  const bool octal = setting.number.starts_with("0o");
  const std::string text = octal     ? "0" + setting.number.substr(2)
                           : is_mode ? "0640"
                                     : setting.number;
  const bool secret = has(option, NBDSTREAM_OPTION_SECRET);
  throw error(fmt::format("{}: {}: a number is not clear here; write it in quotes{}", setting.where,
                          option.name, secret ? "" : fmt::format(", as in \"{}\"", text)));
}

bool from_command_line(const config::sink_config& given) {
  return given.where.starts_with("--");
}

[[noreturn]] void fail_missing(std::string_view module, const nbdstream_option& option,
                               const config::sink_config& given) {
  const std::string needs = fmt::format("the {} sink needs {}", module, option.name);
  if (!from_command_line(given)) {
    throw error(
        fmt::format("{}: {}: write {} = ... under [export.sink]", given.where, needs, option.name));
  }
  std::string value(option.name);
  std::transform(value.begin(), value.end(), value.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  if (has(option, NBDSTREAM_OPTION_POSITIONAL)) {
    throw error(fmt::format("{}: --sink {}:{}", needs, given.module, value));
  }
  throw error(fmt::format("{}: --option {}={}", needs, option.name, value));
}

[[noreturn]] void fail_unknown(std::string_view module, std::string_view kind, option_list options,
                               const config::sink_setting& setting) {
  std::vector<std::string_view> names;
  for (const auto& option : options) names.emplace_back(option.name);
  std::string hint = config::did_you_mean(setting.key, names);
  if (hint.empty() && kind == "sink")
    hint = fmt::format("; nbdstream --dump-sink {} lists what it knows", module);
  if (hint.empty()) hint = fmt::format("; it has {}", fmt::join(names, ", "));
  throw error(fmt::format("{}: the {} {} has no setting {}{}", setting.where, module, kind,
                          quote(setting.key), hint));
}

/// What the user gave as settings, the argument among them under its option's name.
std::vector<config::sink_setting> all_given(std::string_view module, std::string_view kind,
                                            option_list options, const config::sink_config& given) {
  std::vector<config::sink_setting> all;
  if (given.argument) {
    const nbdstream_option* option = positional_option(options);
    if (option == nullptr) {
      throw error(fmt::format("{}: the {} {} takes no argument, but {} is given", given.where,
                              module, kind, quote(*given.argument)));
    }
    all.push_back({option->name, *given.argument, given.where});
  }
  all.insert(all.end(), given.settings.begin(), given.settings.end());
  return all;
}

std::string fault_of(const nbdstream_option& option) {
  const std::string_view name = option.name != nullptr ? option.name : "";
  const auto odd = [](char c) {
    return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
  };
  if (name.empty() || std::any_of(name.begin(), name.end(), odd)) {
    return fmt::format("an option's name is {}, not words joined by '-'", quote(name));
  }
  if (name == "module" || name == "argument") {
    return fmt::format("option {} has a reserved name", quote(name));
  }
  if (option.type < NBDSTREAM_OPTION_STRING || option.type > NBDSTREAM_OPTION_MODE) {
    return fmt::format("option {} has the unknown type {}", quote(name), option.type);
  }
  if (has(option, NBDSTREAM_OPTION_EXCLUSIVE_PATH) && option.type != NBDSTREAM_OPTION_STRING) {
    return fmt::format("option {} is a path, but no string", quote(name));
  }
  if (option.help == nullptr) return fmt::format("option {} has no help", quote(name));
  if (option.default_value == nullptr) return {};
  try {
    static_cast<void>(number_of(option.type, option.default_value));
  } catch (const error& fault) {
    return fmt::format("the default of option {}: {}", quote(name), fault.what());
  }
  return {};
}

}  // namespace

std::string fault_of(option_list options) {
  bool positional = false;
  for (const auto& option : options) {
    if (std::string fault = fault_of(option); !fault.empty()) return fault;
    if (find_option(options, option.name) != &option) {
      return fmt::format("option {} is declared twice", quote(option.name));
    }
    if (!has(option, NBDSTREAM_OPTION_POSITIONAL)) continue;
    if (positional) return fmt::format("option {} is a second positional one", quote(option.name));
    positional = true;
  }
  return {};
}

const nbdstream_option* positional_option(option_list options) {
  const auto found = std::find_if(options.begin(), options.end(), [](const auto& option) {
    return has(option, NBDSTREAM_OPTION_POSITIONAL);
  });
  return found == options.end() ? nullptr : &*found;
}

std::vector<const nbdstream_option*> exclusive_paths(option_list options) {
  std::vector<const nbdstream_option*> found;
  for (const auto& option : options) {
    if (has(option, NBDSTREAM_OPTION_EXCLUSIVE_PATH)) found.push_back(&option);
  }
  return found;
}

bool is_secret(option_list options, std::string_view key) {
  const nbdstream_option* option =
      key == "argument" ? positional_option(options) : find_option(options, key);
  return option != nullptr && has(*option, NBDSTREAM_OPTION_SECRET);
}

settings::settings(std::string_view module, option_list options, const config::sink_config& given,
                   std::string_view kind) {
  const auto put = [this](const nbdstream_option& option, std::string text, std::int64_t number) {
    auto& node = values_[option.name];
    node.text = std::move(text);
    node.setting = {};  // a newer header may have more of it
    node.setting.struct_size = sizeof(nbdstream_setting);
    node.setting.text = node.text.c_str();
    node.setting.number = number;
  };
  for (auto& setting : all_given(module, kind, options, given)) {
    const nbdstream_option* option = find_option(options, setting.key);
    if (option == nullptr) fail_unknown(module, kind, options, setting);
    if (find(setting.key) != nullptr) {
      throw error(fmt::format("{}: {} is given twice; give it once{}", setting.where, option->name,
                              given.argument && has(*option, NBDSTREAM_OPTION_POSITIONAL)
                                  ? fmt::format(", as the {}'s argument or as a setting", kind)
                                  : ""));
    }
    refuse_number(*option, setting);
    const std::int64_t number = user_number(*option, setting.value, setting.where);
    put(*option, std::move(setting.value), number);
  }
  for (const auto& option : options) {
    if (find(option.name) != nullptr) continue;
    if (option.default_value != nullptr) {
      put(option, option.default_value, number_of(option.type, option.default_value));
    } else if (has(option, NBDSTREAM_OPTION_REQUIRED)) {
      fail_missing(module, option, given);
    }
  }
}

const nbdstream_setting* settings::find(std::string_view name) const noexcept {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second.setting;
}

}  // namespace nbdstream::sink
