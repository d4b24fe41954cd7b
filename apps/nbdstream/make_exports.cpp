// SPDX-License-Identifier: BSD-3-Clause
#include "make_exports.hpp"

#include "config/text.hpp"
#include "sink/module_sink.hpp"
#include "stage/digest_sink.hpp"
#include "stage/zstd_sink.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>

namespace nbdstream {
namespace {

/// `path` in one spelling; empty where it leads to what serves several streams at once: a socket
/// that is listened on, or a character device.
std::string taken_alone(const char* path) {
  std::error_code ignored;
  using std::filesystem::file_type;
  const auto type = std::filesystem::status(path, ignored).type();
  if (type == file_type::socket || type == file_type::character) return {};
  return std::filesystem::weakly_canonical(std::filesystem::absolute(path), ignored);
}

/// Two streams at once into one pipe would be one mixture of both.
void refuse_shared_paths(const std::vector<chosen_sink>& chosen,
                         const config::configuration& config) {
  std::map<std::string, std::string> users;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    for (const auto* const option : sink::exclusive_paths(chosen[i].module.options)) {
      const auto* const value = chosen[i].settings.find(option->name);
      const auto path = value ? taken_alone(value->text) : std::string();
      if (path.empty()) continue;
      const auto& name = config.exports[i].name;
      const auto [user, first] = users.emplace(path, name);
      if (first) continue;
      const bool secret = option->flags & NBDSTREAM_OPTION_SECRET;
      throw config::error(
          fmt::format("exports {} and {} both write to {}; give each a path of its own",
                      config::quote(user->second), config::quote(name),
                      secret ? fmt::format("the same {}", option->name) : path));
    }
  }
}

stream::order to_order(const config::export_config& e) {
  if (e.format == config::stream_format::rbd_diff) return stream::order::any;
  switch (config::effective_order(e)) {
    case config::order_mode::window: return stream::order::window;
    case config::order_mode::spill: return stream::order::spill;
    case config::order_mode::spool: return stream::order::spool;
    default: return stream::order::strict;
  }
}

/// The files of spill and spool.
spill_store::settings spill_in(const asio::any_io_executor& executor, const std::string& directory,
                               io::clock::duration timeout) {
  return {directory, [=] { return io::make_spill_file(executor, directory, timeout); }};
}

/// With what stands in front of it.
std::unique_ptr<sink::sink> make_sink(const asio::any_io_executor& executor,
                                      const config::configuration& config,
                                      const config::export_config& e, chosen_sink chosen,
                                      log::logger& log) {
  const bool copy_only = config.server.path == config::data_path::copy;
  std::unique_ptr<sink::sink> made = std::make_unique<sink::module_sink>(
      executor, std::move(chosen.module), std::move(chosen.settings), config.server.grace,
      log::context(log, log::about_export(e.name)), copy_only);
  if (e.zstd_level) {
    const stage::zstd_sink::settings how{.level = *e.zstd_level};
    made = std::make_unique<stage::zstd_sink>(executor, std::move(made), how, log);
  }
  // It stands in front: what a digest is of is the disk's stream, however it is compressed.
  const auto digest = config::effective_digest(e);
  if (!digest) return made;
  return std::make_unique<stage::digest_sink>(executor, std::move(made), *digest, log, copy_only);
}

}  // namespace

std::vector<chosen_sink> choose_sinks(const sink::registry& registry,
                                      const config::configuration& config) {
  std::vector<chosen_sink> chosen;
  int on_stdout = 0;
  for (const auto& e : config.exports) {
    auto module = registry.load(e.sink.module);
    sink::settings settings(module.table.name, module.options, e.sink);
    if (module.table.flags & NBDSTREAM_SINK_USES_STDOUT) {
      ++on_stdout;
      const auto refuse = [&](const char* why) {
        throw config::error(fmt::format("the {} sink {}", module.table.name, why));
      };
      if (config.server.single) refuse("needs the standard output that --single talks NBD on");
      if (config.server.progress_fd == STDOUT_FILENO) {
        refuse("carries the stream where --progress=1 would write; give it another descriptor");
      }
      if (e.streams != 1) refuse("carries one stream only; leave out --streams");
      if (on_stdout > 1) refuse("can serve one export only; give the others another sink");
    }
    chosen.push_back({std::move(module), std::move(settings)});
  }
  refuse_shared_paths(chosen, config);
  return chosen;
}

void try_spill_directories(const config::configuration& config) {
  for (const auto& e : config.exports) {
    const bool asked = e.order == config::order_mode::spill ||
                       e.order == config::order_mode::spool || !e.spill_directory.empty();
    if (!asked) continue;
    const auto directory = config::effective_spill_directory(e);
    const auto failed = io::try_spill_directory(directory);
    if (!failed) continue;
    throw config::error(fmt::format(
        "export {}: a spill file cannot be in {}: {}; give a directory on a local file system with "
        "--spill-directory",
        config::quote(e.name), config::quote(directory), failed.message()));
  }
}

std::vector<std::unique_ptr<nbd_export>> make_exports(const asio::any_io_executor& executor,
                                                      const config::configuration& config,
                                                      std::vector<chosen_sink> chosen,
                                                      io::condition& changed, log::logger& log) {
  std::vector<std::unique_ptr<nbd_export>> exports;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto& e = config.exports[i];
    auto made = make_sink(executor, config, e, std::move(chosen[i]), log);
    nbd_export::settings s;
    s.config = e;
    s.order = to_order(e);
    s.spill =
        spill_in(executor, config::effective_spill_directory(e), config.server.payload_timeout);
    s.refuse_gaps = config::effective_gaps(e, config.server) == config::gaps_policy::refuse;
    s.one_connection = config.server.single;
    s.decided_by_run = !config.server.run.empty();
    s.told = e.end == config::end_policy::told;
    s.run_grace = config.server.run_grace;
    s.receipt_timeout = config.server.payload_timeout;
    s.grace = config.server.grace;
    exports.push_back(
        std::make_unique<nbd_export>(executor, std::move(s), std::move(made), log, changed));
  }
  return exports;
}

}  // namespace nbdstream
