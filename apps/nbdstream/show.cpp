// SPDX-License-Identifier: BSD-3-Clause
#include "show.hpp"

#include "config/cli.hpp"
#include "config/dump.hpp"
#include "sink/options.hpp"

#include <nbdstream/source.h>
#include <openssl/crypto.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zstd.h>

namespace nbdstream {
namespace {

const char* type_name(std::uint32_t type) {
  switch (type) {
    case NBDSTREAM_OPTION_INTEGER: return "integer";
    case NBDSTREAM_OPTION_BOOLEAN: return "boolean";
    case NBDSTREAM_OPTION_SIZE: return "size";
    case NBDSTREAM_OPTION_DURATION: return "duration";
    case NBDSTREAM_OPTION_MODE: return "mode";
    default: return "string";
  }
}

}  // namespace

void print_version(const sink::registry& sinks) {
  fmt::print("{}\n", config::version_text());
  fmt::print("sink ABI: {}.{}\n", NBDSTREAM_SINK_ABI_MAJOR, NBDSTREAM_SINK_ABI_MINOR);
  fmt::print("source ABI: {}.{}\n", NBDSTREAM_SOURCE_ABI_MAJOR, NBDSTREAM_SOURCE_ABI_MINOR);
  fmt::print("features: TLS (OpenSSL {}), compression (zstd {}), formats raw and rbd-diff\n",
             OpenSSL_version(OPENSSL_VERSION_STRING), ZSTD_versionString());
  const auto names = sinks.names();
  fmt::print("sinks: {}\n",
             names.empty() ? "none found" : fmt::format("{}", fmt::join(names, " ")));
}

bool list_sinks(const sink::registry& sinks, log::logger& log) {
  bool all = true;
  for (const auto& name : sinks.names()) {
    try {
      const auto module = sinks.load(name);
      fmt::print("{}\t{}\t{}\n", name, module.table.description, module.path);
    } catch (const sink::load_error& e) {
      all = false;
      log.error("{}", e.what());
    }
  }
  return all;
}

void dump_sink(const sink::registry& sinks, const std::string& name) {
  const auto module = sinks.load(name);
  const auto& table = module.table;
  const auto yes_no = [](bool b) { return b ? "yes" : "no"; };
  fmt::print("path={}\nname={}\ndescription={}\nversion={}\n", module.path, table.name,
             table.description, table.version);
  fmt::print("abi={}.{}\n", NBDSTREAM_SINK_ABI_MAJOR, table.abi_minor);
  fmt::print("has_write={}\nhas_zero={}\nhas_flush={}\nhas_native_fd={}\nhas_interrupt={}\n",
             yes_no(table.write), yes_no(table.zero), yes_no(table.flush), yes_no(table.native_fd),
             yes_no(table.interrupt));
  fmt::print("blocking_open={}\nblocking_write={}\nblocking_finish={}\n",
             yes_no(table.blocking & NBDSTREAM_BLOCKING_OPEN),
             yes_no(table.blocking & NBDSTREAM_BLOCKING_WRITE),
             yes_no(table.blocking & NBDSTREAM_BLOCKING_FINISH));
  for (const auto& o : module.options) {
    fmt::print(
        "option={} type={} required={} positional={} secret={} exclusive_path={} default={} "
        "help={}\n",
        o.name, type_name(o.type), yes_no(o.flags & NBDSTREAM_OPTION_REQUIRED),
        yes_no(o.flags & NBDSTREAM_OPTION_POSITIONAL), yes_no(o.flags & NBDSTREAM_OPTION_SECRET),
        yes_no(o.flags & NBDSTREAM_OPTION_EXCLUSIVE_PATH), o.default_value ? o.default_value : "",
        o.help);
  }
}

void dump_config(const sink::registry& registry, const config::configuration& config) {
  // What the sink does not know may be the misspelt name of a secret.
  for (const auto& e : config.exports) {
    const auto module = registry.load(e.sink.module);
    (void)sink::settings(module.table.name, module.options, e.sink);
  }
  const auto is_secret = [&](const config::export_config& e, std::string_view key) {
    return sink::is_secret(registry.load(e.sink.module).options, key);
  };
  fmt::print("{}", config::to_toml(config, is_secret));
}

}  // namespace nbdstream
