// SPDX-License-Identifier: BSD-3-Clause
//
// Names, units and types as https://prometheus.io/docs/practices/naming/ has them.
#include "status/metrics.hpp"

#include "log/utf8.hpp"
#include "status/figures.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <iterator>
#include <string>
#include <vector>

namespace nbdstream::status {
namespace {

enum class type { counter, gauge, info };

/// `name="value"`; the value may hold anything.
std::string label(std::string_view name, std::string_view value) {
  std::string out = fmt::format("{}=\"", name);
  for (const char c : log::to_utf8(value)) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out += '"';
}

class writer {
 public:
  explicit writer(metrics_format form) : open_(form == metrics_format::openmetrics) {}

  /// Begins the family nbdstream_`name`, without "_total" or "_info"; `help` has no quotes.
  void family(std::string_view name, type what, std::string_view help) {
    constexpr std::array words{"counter", "gauge", "info"};
    const auto family = fmt::format("nbdstream_{}", name);
    sample_ = family;
    if (what == type::counter) sample_ += "_total";
    if (what == type::info) sample_ += "_info";
    // Prometheus names the samples, and knows no type info: by custom that is a gauge, always 1.
    const auto shown = !open_ && what == type::info ? type::gauge : what;
    const auto& described = open_ ? family : sample_;
    add("# HELP {} {}\n", described, help);
    add("# TYPE {} {}\n", described, words[static_cast<std::size_t>(shown)]);
    for (const std::string_view unit : {"bytes", "seconds"}) {
      if (open_ && name.ends_with(unit)) add("# UNIT {} {}\n", described, unit);
    }
  }

  /// Labels are separated by commas.
  void sample(std::string_view labels, std::uint64_t value) {
    add("{}{}{}{} {}\n", sample_, labels.empty() ? "" : "{", labels, labels.empty() ? "" : "}",
        value);
  }
  void sample(std::string_view labels, seconds value) {
    add("{}{}{}{} {:.3f}\n", sample_, labels.empty() ? "" : "{", labels, labels.empty() ? "" : "}",
        value.count());
  }
  void sample(std::string_view labels, wall_clock::time_point value) {
    sample(labels, seconds(value.time_since_epoch()));
  }

  [[nodiscard]] std::string take() {
    if (open_) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
  }

  bool open_;
  std::string sample_;  ///< what a sample of the current family is called
  std::string out_;
};

/// An export and what its samples are labelled with.
struct labelled {
  const exported& of;
  std::string labels;

  [[nodiscard]] std::string with(std::string_view more) const {
    return fmt::format("{},{}", labels, more);
  }
};
using labelled_exports = std::vector<labelled>;

void add_process(writer& out, const process& p) {
  out.family("build", type::info, "The version of nbdstream.");
  out.sample(label("version", p.version), std::uint64_t{1});
  out.family("start_time_seconds", type::gauge, "When the process began, as seconds since 1970.");
  out.sample("", p.began);
  out.family("connections", type::gauge, "Clients that have chosen an export and are there.");
  out.sample("", p.connections.size());
}

void add_counters(writer& out, const labelled_exports& exports) {
  for (const auto& f : counted) {
    out.family(fmt::format("stream_{}", f.family), type::counter, f.help);
    for (const auto& e : exports) out.sample(e.labels, e.of.count.*f.value);
  }
  out.family("streams", type::counter, "Streams that have ended, by how they did.");
  for (const auto& e : exports) {
    out.sample(e.with(R"(outcome="committed")"), e.of.committed);
    out.sample(e.with(R"(outcome="aborted")"), e.of.aborted);
  }
}

/// Figures that share a family stand together: they differ by their own label.
void add_gauges(writer& out, const labelled_exports& exports) {
  std::string_view family;
  for (const auto& f : measured) {
    if (f.family == family) continue;
    family = f.family;
    out.family(fmt::format("stream_{}", family), type::gauge, f.help);
    for (const auto& e : exports) {
      for (const auto& one : measured) {
        if (one.family != family) continue;
        const auto value = e.of.current ? (*e.of.current).*one.value : 0;
        out.sample(one.label.empty() ? e.labels : e.with(one.label), value);
      }
    }
  }
}

/// A sample that is not there says that nobody knows.
void add_told(writer& out, const labelled_exports& exports) {
  for (const auto& f : told) {
    out.family(fmt::format("stream_{}", f.family), type::gauge, f.help);
    for (const auto& e : exports) {
      const auto value = e.of.current ? (*e.of.current).*f.value : std::nullopt;
      if (value) out.sample(e.labels, *value);
    }
  }
}

void add_times(writer& out, const labelled_exports& exports) {
  out.family("stream_last_commit_timestamp_seconds", type::gauge,
             "When a stream was committed last, as seconds since 1970.");
  for (const auto& e : exports) {
    if (e.of.last_commit) out.sample(e.labels, *e.of.last_commit);
  }
  out.family("stream_last_duration_seconds", type::gauge,
             "How long the last stream took that has ended.");
  for (const auto& e : exports) {
    if (!e.of.recent.empty()) out.sample(e.labels, e.of.recent.back().took);
  }
}

void add_state(writer& out, const labelled_exports& exports) {
  out.family("export_size_bytes", type::gauge, "Size of the disk, where it is known.");
  for (const auto& e : exports) {
    if (e.of.size) out.sample(e.labels, *e.of.size);
  }
  out.family("export_state", type::gauge, "1 for what the export does now, 0 for all else.");
  for (const auto& e : exports) {
    for (int i = 0; i <= static_cast<int>(state::ended); ++i) {
      const auto each = static_cast<state>(i);
      out.sample(e.with(label("state", word_for(each))), std::uint64_t{each == e.of.now});
    }
  }
}

}  // namespace

std::string to_metrics(const process& p, metrics_format form) {
  labelled_exports exports;
  for (const auto& e : p.exports) {
    exports.push_back({e, label("export", e.name) + ',' + label("sink", e.sink)});
  }
  writer out(form);
  add_process(out, p);
  add_counters(out, exports);
  add_gauges(out, exports);
  add_told(out, exports);
  add_times(out, exports);
  add_state(out, exports);
  return out.take();
}

std::string_view content_type(metrics_format form) noexcept {
  return form == metrics_format::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace nbdstream::status
