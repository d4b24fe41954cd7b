// SPDX-License-Identifier: BSD-3-Clause
//
// Every key of the configuration once: its name, which command line and TOML share, how its value
// is written, and how it gets into the structures and out again. Internal to config/.
#ifndef NBDSTREAM_CONFIG_KEYS_HPP
#define NBDSTREAM_CONFIG_KEYS_HPP

#include "config/config.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::config {

/// How TOML writes a value. A size may also be an integer there, and so may a duration (seconds).
enum class value_type {
  text,
  integer,
  word_or_integer,
  boolean,
  size,
  duration,
  list  ///< an array of strings, or one: `set` is called once for each
};

/// One key of a `Target`: server_config or export_config.
template <class Target>
struct key {
  std::string_view name;
  value_type type;

  /// Reads one value into the structure; throws config::error about the value, which names
  /// neither the key nor the place.
  void (*set)(Target&, std::string_view);

  /// The values as `set` takes them; none where the key needs no mention. May be null: never.
  std::vector<std::string> (*get)(const Target&);
};

/// The keys of [server] and of [[export]], in the order in which --dump-config shows them.
[[nodiscard]] std::span<const key<server_config>> server_keys();
[[nodiscard]] std::span<const key<export_config>> export_keys();

/// The key `name`, or null.
template <class Target>
[[nodiscard]] const key<Target>* find_key(std::span<const key<Target>> keys,
                                          std::string_view name) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](auto& k) { return k.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

template <class Target>
[[nodiscard]] std::vector<std::string_view> names_of(std::span<const key<Target>> keys) {
  std::vector<std::string_view> names;
  for (const auto& k : keys) names.push_back(k.name);
  return names;
}

}  // namespace nbdstream::config
#endif
