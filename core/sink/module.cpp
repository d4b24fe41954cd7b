// SPDX-License-Identifier: BSD-3-Clause
#include "sink/module.hpp"

#include "sink/library.hpp"
#include "sink/options.hpp"

#include <fmt/format.h>
#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>

namespace nbdstream::sink {
namespace {

using entry_point = const nbdstream_sink_table*();

/// As far as the last function that is required, and an option as ABI 1.0 has it: what a module
/// must bring. It may be older than this host, and then has less than our header says, or newer.
constexpr std::size_t least_table = offsetof(nbdstream_sink_table, abort) + sizeof(void*);
constexpr std::size_t least_option = offsetof(nbdstream_option, help) + sizeof(char*);

constexpr int newest_major_guessed = 9;

std::string entry_name(int major) {
  return fmt::format("nbdstream_sink_v{}", major);
}

entry_point& find_entry(const boost::dll::shared_library& library, const std::string& path) {
  const auto expected = entry_name(NBDSTREAM_SINK_ABI_MAJOR);
  if (library.has(expected)) return library.get<entry_point>(expected);
  for (int major = 0; major <= newest_major_guessed; ++major) {
    if (!library.has(entry_name(major))) continue;
    throw load_error(fmt::format("{}: made for sink ABI {}, but this nbdstream loads ABI {}", path,
                                 major, NBDSTREAM_SINK_ABI_MAJOR));
  }
  throw load_error(fmt::format("{}: not a sink module: it has no function {}", path, expected));
}

void check_table(const nbdstream_sink_table& table, const std::string& path) {
  const auto require = [&](bool there, const char* what) {
    if (!there)
      throw load_error(fmt::format("{}: its table lacks {}, which a sink must have", path, what));
  };
  require(table.name && *table.name, "a name");
  require(table.description, "a description");
  require(table.version, "a version");
  require(table.create, "create");
  require(table.destroy, "destroy");
  require(table.open, "open");
  require(table.write || table.native_fd, "write (or native_fd)");
  require(table.commit, "commit");
  require(table.abort, "abort");
  require(table.option_count == 0 || (table.options && table.option_size >= least_option),
          "the options that it counts");
}

/// As much of the module's table as both know, without looking past its end. Members are no larger
/// than a pointer: what is cut in the middle is not there.
nbdstream_sink_table copy_table(const nbdstream_sink_table& table) {
  nbdstream_sink_table copy{};
  const auto whole = table.struct_size - table.struct_size % sizeof(void*);
  std::memcpy(&copy, &table, std::min<std::size_t>(whole, sizeof copy));
  return copy;
}

}  // namespace

module load_module(const std::string& path) {
  module loaded{};
  std::error_code ignored;
  loaded.path = std::filesystem::absolute(path, ignored).lexically_normal().string();
  const auto library = load_library(loaded.path);
  const auto* const table = find_entry(library, loaded.path)();
  if (!table) throw load_error(fmt::format("{}: its entry point returned no table", loaded.path));
  if (table->struct_size < least_table) {
    throw load_error(fmt::format("{}: its table has {} bytes, and ABI {} needs {}", loaded.path,
                                 table->struct_size, NBDSTREAM_SINK_ABI_MAJOR, least_table));
  }
  loaded.table = copy_table(*table);
  check_table(loaded.table, loaded.path);
  const auto& t = loaded.table;
  loaded.options = copy_options(t.options, t.option_count, t.option_size);
  const auto fault = fault_of(loaded.options);
  if (!fault.empty()) throw load_error(fmt::format("{}: {}", loaded.path, fault));
  return loaded;
}

}  // namespace nbdstream::sink
