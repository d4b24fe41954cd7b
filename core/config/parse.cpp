// SPDX-License-Identifier: BSD-3-Clause
#include "config/parse.hpp"

#include "config/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace nbdstream::config {
namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::uint64_t largest_size = std::numeric_limits<std::int64_t>::max();

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Takes the digits that begin `text` off it.
std::string_view take_digits(std::string_view& text) {
  const std::string_view taken = text.substr(0, text.find_first_not_of(digits));
  text.remove_prefix(taken.size());
  return taken;
}

/// The value of `number`, which is nothing but digits; false where it exceeds 64 bits.
bool to_number(std::string_view number, std::uint64_t& value) {
  const auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), value);
  return fault == std::errc() && end == number.data() + number.size();
}

/// How many bytes the suffix of a size stands for; 0: it is none.
std::uint64_t size_unit(std::string_view suffix) {
  constexpr std::string_view powers = "bkmgtpe";
  if (suffix.empty()) return 1;
  if (suffix.size() > 1) return 0;
  if (lower(suffix[0]) == 's') return 512;
  const auto power = powers.find(lower(suffix[0]));
  return power == std::string_view::npos ? 0 : std::uint64_t{1} << (10 * power);
}

struct time_unit {
  std::string_view name;
  std::uint64_t nanoseconds;
};

constexpr std::array<time_unit, 6> time_units{{{"h", 3'600'000'000'000},
                                               {"m", 60'000'000'000},
                                               {"s", 1'000'000'000},
                                               {"ms", 1'000'000},
                                               {"us", 1'000},
                                               {"ns", 1}}};

[[noreturn]] void not_a_duration(std::string_view text) {
  throw error(fmt::format("{} is not a time; write 10, 10s, 0.5s, 500ms, 2m or 1h", quote(text)));
}

}  // namespace

std::uint64_t parse_size(std::string_view text) {
  std::string_view rest = text;
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\n\v\f\r"), rest.size()));
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  const std::string_view number = take_digits(rest);
  const std::uint64_t unit = size_unit(rest);
  if (number.empty() || unit == 0) {
    throw error(
        fmt::format("{} is not a size; write bytes, or a number and one of k, M, G, T, P, "
                    "E, as in 512, 640k, 40G",
                    quote(text)));
  }
  std::uint64_t value = 0;
  const bool fits = to_number(number, value) && value <= largest_size / unit;
  if (negative && !(fits && value == 0)) {
    throw error(fmt::format("{} is negative; a size cannot be", quote(text)));
  }
  if (!fits) throw error(fmt::format("{} is too large; a size is less than 8E", quote(text)));
  return value * unit;
}

nanoseconds parse_duration(std::string_view text) {
  std::string_view rest = text;
  const std::string_view whole = take_digits(rest);
  std::string_view fraction;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    fraction = take_digits(rest);
    if (fraction.empty()) not_a_duration(text);
  }
  const std::string_view name = rest.empty() ? "s" : rest;
  const auto unit =
      std::find_if(time_units.begin(), time_units.end(), [&](auto& u) { return u.name == name; });
  if (whole.empty() || unit == time_units.end()) not_a_duration(text);
  constexpr auto most = static_cast<std::uint64_t>(longest_duration.count());
  std::uint64_t value = 0;
  if (!to_number(whole, value) || value >= most / unit->nanoseconds) {
    throw error(fmt::format("{} is too long; a time is less than 100 years", quote(text)));
  }
  value *= unit->nanoseconds;
  std::uint64_t weight = unit->nanoseconds;
  for (const char digit : fraction) {
    weight /= 10;
    value += weight * static_cast<std::uint64_t>(digit - '0');
  }
  return nanoseconds(static_cast<std::int64_t>(value));
}

bool parse_boolean(std::string_view text) {
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(), lower);
  for (const auto yes : {"true", "t", "yes", "y", "on", "1"}) {
    if (word == yes) return true;
  }
  for (const auto no : {"false", "f", "no", "n", "off", "0"}) {
    if (word == no) return false;
  }
  throw error(fmt::format("{} is neither true nor false", quote(text)));
}

std::int64_t parse_integer(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool number = !text.empty() && end == text.data() + text.size();
  if (!number || fault == std::errc::invalid_argument) {
    throw error(fmt::format("{} is not a whole number", quote(text)));
  }
  if (fault != std::errc() || value < least || value > most) {
    throw error(fmt::format("{} is out of range; it is from {} to {}", quote(text), least, most));
  }
  return value;
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::string_view suffixes = "EPTGMK";
  unsigned shift = 60;
  for (const char suffix : suffixes) {
    const std::uint64_t unit = std::uint64_t{1} << shift;
    if (bytes >= unit && bytes % unit == 0) return fmt::format("{}{}", bytes / unit, suffix);
    shift -= 10;
  }
  return fmt::format("{}", bytes);
}

std::string format_duration(nanoseconds time) {
  const auto count = static_cast<std::uint64_t>(time.count());
  for (const auto& unit : time_units) {
    if (count != 0 && count % unit.nanoseconds == 0) {
      return fmt::format("{}{}", count / unit.nanoseconds, unit.name);
    }
  }
  return "0s";
}

std::uint32_t parse_mode(std::string_view text) {
  std::uint32_t mode = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (fault != std::errc() || end != text.data() + text.size() || mode > 0777) {
    throw error(fmt::format("{} is not a mode; write octal digits, as in 0660", quote(text)));
  }
  return mode;
}

int parse_compression(std::string_view text) {
  constexpr std::string_view name = "zstd";
  constexpr int usual_level = 3;
  constexpr int least_level = -7;
  constexpr int most_level = 19;
  const bool has_level = text.starts_with("zstd:");
  if (text != name && !has_level) {
    throw error(fmt::format("{} is not a compression; write zstd, or zstd:LEVEL as in zstd:9",
                            quote(text)));
  }
  if (!has_level) return usual_level;
  const auto number = parse_integer(text.substr(name.size() + 1), least_level, most_level);
  if (number == 0) throw error(fmt::format("level 0 is none; zstd alone is zstd:{}", usual_level));
  return static_cast<int>(number);
}

std::string format_compression(int level) {
  return fmt::format("zstd:{}", level);
}

std::string format_mode(std::uint32_t mode) {
  return fmt::format("{:04o}", mode);
}

}  // namespace nbdstream::config
