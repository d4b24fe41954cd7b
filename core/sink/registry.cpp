// SPDX-License-Identifier: BSD-3-Clause
#include "sink/registry.hpp"

#include "config/text.hpp"

#include <sys/auxv.h>

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

fs::path program() {
  boost::dll::fs::error_code failed;
  fs::path file = boost::dll::program_location(failed);
  if (!failed) return file;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it is a pointer, and the call has no other type
  const auto* const started = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  if (!started) return {};
  std::error_code ignored;
  file = fs::canonical(started, ignored);
  return file.empty() ? fs::absolute(started, ignored) : file;
}

registry::registry() {
  if (const char* const path = std::getenv("NBDSTREAM_SINK_PATH")) {
    std::istringstream list(path);
    for (std::string directory; std::getline(list, directory, ':');) {
      if (!directory.empty()) directories_.emplace_back(directory);
    }
  }
  const auto prefix = program().parent_path().parent_path();
  if (!prefix.empty()) directories_.push_back(prefix / NBDSTREAM_SINK_SUBDIR);
}

std::string registry::find(const std::string& name) const {
  std::error_code ignored;
  for (const auto& directory : directories_) {
    const auto path = directory / (name + std::string(extension));
    if (fs::exists(path, ignored)) return path.string();
  }
  return {};
}

module registry::load(const std::string& name) const {
  if (name.find('/') != std::string::npos) return load_module(name);
  const auto path = find(name);
  if (!path.empty()) return load_module(path);
  const auto known = names();
  const std::vector<std::string_view> views(known.begin(), known.end());
  std::vector<std::string> places;
  for (const auto& directory : directories_) places.push_back(directory.string());
  if (places.empty()) {
    throw load_error(
        fmt::format("there is no sink {}: without /proc nbdstream does not know where its sinks "
                    "are; set NBDSTREAM_SINK_PATH to their directory, or give the path of the sink",
                    config::quote(name)));
  }
  throw load_error(fmt::format("there is no sink {} in {}{}; --list-sinks shows what there is",
                               config::quote(name), fmt::join(places, " or "),
                               config::did_you_mean(name, views)));
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
