// SPDX-License-Identifier: BSD-3-Clause
#include "source/module_source.hpp"

#include "config/text.hpp"
#include "sink/library.hpp"
#include "sink/module.hpp"
#include "sink/options.hpp"
#include "sink/registry.hpp"
#include "source/cached_source.hpp"

#include <nbdstream/source.h>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace nbdstream::source {
namespace {

using entry_point = const nbdstream_source_table*();

/// "at most 2^63 - 1", says source.h.
constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

constexpr std::uint32_t least_table =
    offsetof(nbdstream_source_table, close) + sizeof(nbdstream_source_table::close);

/// What the module has explained during the call that runs on this thread.
std::string& explanation() {
  thread_local std::string text;
  return text;
}

/// What is wrong with a table, as the end of a sentence; null: nothing.
const char* fault_of(const nbdstream_source_table* table) {
  if (!table) return "its entry point returned no table";
  if (table->struct_size < least_table) return "its table of a source is too short";
  if (!table->name || !table->open || !table->read || !table->close)
    return "its table of a source lacks open, read, close, or a name";
  const bool lacks_options =
      table->option_count > 0 && (!table->options || table->option_size < sizeof(nbdstream_option));
  return lacks_options ? "its table lacks the options that it counts" : nullptr;
}

/// The library stays in the process for good, so the table does.
const nbdstream_source_table& load(const std::string& scheme, const std::string& url) {
  const sink::registry registry;
  const auto path = registry.find(scheme);
  if (path.empty()) {
    throw config::error(fmt::format(
        "{}: there is no module {} to read it with; is the package nbdstream-sink-{} installed?",
        config::printable(url), config::quote(scheme), scheme));
  }
  const auto library = sink::load_library(path);
  const std::string entry = fmt::format("nbdstream_source_v{}", NBDSTREAM_SOURCE_ABI_MAJOR);
  if (!library.has(entry)) {
    throw config::error(fmt::format("{}: {} can only be written to: it has no function {}",
                                    config::printable(url), path, entry));
  }
  const auto* const table = library.get<entry_point>(entry)();
  if (const auto* const fault = fault_of(table)) {
    throw sink::load_error(fmt::format("{}: {}", path, fault));
  }
  return *table;
}

class module_source final : public source {
 public:
  module_source(std::string url, const nbdstream_source_table& table, sink::settings settings,
                log::logger& log)
      : name_(config::printable(url)), table_(table), settings_(std::move(settings)), log_(log) {
    host_.struct_size = sizeof host_;
    host_.abi_minor = NBDSTREAM_SINK_ABI_MINOR;
    host_.context = this;
    host_.log = write_log;
    host_.explain = [](const nbdstream_host*, const char* text) { explanation() = text; };
    host_.setting = [](const nbdstream_host* host, const char* name) {
      return static_cast<module_source*>(host->context)->settings_.find(name);
    };
    // These are of a stream, and there is none.
    host_.result = [](const nbdstream_host*, const char*, const char*) {};
    host_.progress = [](const nbdstream_host*, std::uint64_t) {};
    host_.wake = [](const nbdstream_host*) {};
    info_.struct_size = sizeof info_;
    explanation().clear();
    const int result = table_.open(&host_, &opened_, &info_);
    if (result != 0) throw config::error(failure_of(result, "open").why);
    if (info_.size <= largest) return;
    table_.close(opened_);
    throw config::error(fmt::format("{}: the module {} tells a size of {} bytes; {} is the largest",
                                    name_, config::quote(table_.name), info_.size, largest));
  }
  ~module_source() override { table_.close(opened_); }
  module_source(const module_source&) = delete;
  module_source& operator=(const module_source&) = delete;

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t size() const noexcept override { return info_.size; }
  [[nodiscard]] std::size_t block() const noexcept { return info_.block; }

  [[nodiscard]] failure read(std::uint64_t offset, std::span<std::byte> into) override {
    if (into.empty()) return {};
    explanation().clear();
    const int result = table_.read(opened_, offset, into.data(), into.size());
    return result == 0 ? failure{} : failure_of(result, "read");
  }
  /// A store of objects has no holes.
  [[nodiscard]] failure look(std::uint64_t /*offset*/, std::uint64_t until,
                             extent& found) override {
    found = {until, content::data};
    return {};
  }
  void interrupt() noexcept override {
    if (table_.interrupt) table_.interrupt(opened_);
  }

 private:
  static void write_log(const nbdstream_host* host, int level, const char* text) {
    const auto clamped = std::clamp<int>(level, NBDSTREAM_LOG_ERROR, NBDSTREAM_LOG_DEBUG);
    static_cast<module_source*>(host->context)->log_.line(static_cast<log::level>(clamped), text);
  }
  /// Whatever is not 0 is one; the contract knows negative numbers only.
  [[nodiscard]] failure failure_of(int result, std::string_view call) const {
    if (result > 0) {
      return {EIO, fmt::format("{}: the module {} broke the contract: {} returned {}, which is "
                               "neither 0 nor -errno",
                               name_, config::quote(table_.name), call, result)};
    }
    if (!explanation().empty()) return {-result, explanation()};
    return {-result, fmt::format("{}: {}", name_, std::strerror(-result))};
  }

  std::string name_;
  const nbdstream_source_table& table_;
  sink::settings settings_;
  log::logger& log_;
  nbdstream_host host_{};
  void* opened_ = nullptr;
  nbdstream_source_info info_{};
};

}  // namespace

std::string_view scheme_of(std::string_view name) noexcept {
  const auto end = name.find("://");
  if (end == name.npos || end == 0) return {};
  const auto scheme = name.substr(0, end);
  const bool is_one = std::ranges::all_of(
      scheme, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  return is_one ? scheme : std::string_view();
}

std::shared_ptr<source> open_by_module(const std::string& url,
                                       const std::vector<config::sink_setting>& options,
                                       std::shared_ptr<frame_cache> blocks, log::logger& log) {
  const std::string scheme(scheme_of(url));
  const auto& table = load(scheme, url);
  const auto known = sink::copy_options(table.options, table.option_count, table.option_size);
  const auto fault = sink::fault_of(known);
  if (!fault.empty()) throw sink::load_error(fmt::format("{}: {}", scheme, fault));
  config::sink_config given;
  given.module = scheme;
  given.argument = url;
  given.where = config::printable(url);
  given.settings = options;
  sink::settings settings(table.name, known, given, "source");
  auto made = std::make_shared<module_source>(url, table, std::move(settings), log);
  if (made->block() == 0) return made;
  const auto block = made->block();
  return std::make_shared<cached_source>(std::move(made), block, std::move(blocks));
}

}  // namespace nbdstream::source
