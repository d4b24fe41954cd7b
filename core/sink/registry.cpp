// SPDX-License-Identifier: BSD-3-Clause
#include "sink/registry.hpp"

#include "config/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <boost/dll/runtime_symbol_info.hpp>

#include <cstdlib>
#include <set>
#include <sstream>
#include <string_view>

namespace nbdstream::sink {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view extension = ".so";

}  // namespace

registry::registry() {
  if (const char* const path = std::getenv("NBDSTREAM_SINK_PATH")) {
    std::istringstream list(path);
    for (std::string directory; std::getline(list, directory, ':');) {
      if (!directory.empty()) directories_.emplace_back(directory);
    }
  }
  const auto prefix = boost::dll::program_location().parent_path().parent_path();
  directories_.push_back(prefix / NBDSTREAM_SINK_SUBDIR);
}

module registry::load(const std::string& name) const {
  if (name.find('/') != std::string::npos) return load_module(name);
  std::error_code ignored;
  for (const auto& directory : directories_) {
    const auto path = directory / (name + std::string(extension));
    if (fs::exists(path, ignored)) return load_module(path.string());
  }
  const auto known = names();
  const std::vector<std::string_view> views(known.begin(), known.end());
  std::vector<std::string> places;
  for (const auto& directory : directories_) places.push_back(directory.string());
  throw load_error(fmt::format("there is no sink {} in {}{}", config::quote(name),
                               fmt::join(places, " or "), config::did_you_mean(name, views)));
}

std::vector<std::string> registry::names() const {
  std::set<std::string> names;
  std::error_code ignored;
  for (const auto& directory : directories_) {
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
      if (entry.path().extension() == extension) names.insert(entry.path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace nbdstream::sink
