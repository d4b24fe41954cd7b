// SPDX-License-Identifier: BSD-3-Clause
#include "restore/info.hpp"

#include "config/text.hpp"
#include "log/json.hpp"
#include "restore/extent_index.hpp"
#include "restore/failure.hpp"
#include "restore/input.hpp"
#include "restore/reader.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>

namespace nbdstream::restore {
namespace {

struct summary {
  std::string file;
  diff::header head;
  std::uint64_t records = 0;
  std::uint64_t data = 0;    ///< bytes
  std::uint64_t zeroes = 0;  ///< bytes
  std::uint64_t named = 0;   ///< bytes, each counted once
  bool complete = false;
};

/// The diffs of one input, and what is wrong with the last of them.
class summaries {
 public:
  explicit summaries(input& from) : from_(from) {
    try {
      read();
    } catch (const broken_diff& e) {
      problem_ = e.what();
    }
    if (!found_.empty() && !found_.back().complete) found_.back().named = named_.named_bytes();
  }

  [[nodiscard]] const std::vector<summary>& found() const noexcept { return found_; }
  [[nodiscard]] const std::optional<std::string>& problem() const noexcept { return problem_; }

 private:
  void read() {
    reader diffs(from_);
    for (;;) {
      const auto what = diffs.next();
      const auto& r = diffs.record();
      switch (what) {
        case reader::event::header:
          found_.push_back({from_.name(), diffs.head()});
          named_.clear();
          break;
        case reader::event::data:
          found_.back().data += r.length;
          add(r);
          break;
        case reader::event::zeroes:
          found_.back().zeroes += r.length;
          add(r);
          break;
        case reader::event::end:
          found_.back().complete = true;
          found_.back().named = named_.named_bytes();
          break;
        case reader::event::finished: return;
      }
    }
  }

  void add(const diff::range& r) {
    ++found_.back().records;
    named_.assign({r.offset, r.end()});
  }

  input& from_;
  std::vector<summary> found_;
  extent_index named_;  ///< by the diff that is being read; where they stand does not matter
  std::optional<std::string> problem_;
};

std::string json_string(std::string_view text) {
  std::string out = "\"";
  log::append_json(out, text);
  return out + '"';
}

std::string json_of(const summary& s) {
  const auto name = [](const std::optional<std::string>& n) {
    return n ? json_string(*n) : std::string("null");
  };
  return fmt::format(
      "{{\"file\": {}, \"format\": \"rbd diff v1\", \"from\": {}, \"to\": {}, \"size\": {}, "
      "\"records\": {}, \"data_bytes\": {}, \"zero_bytes\": {}, \"named_bytes\": {}, "
      "\"complete\": {}}}",
      json_string(s.file), name(s.head.from), name(s.head.to), s.head.size, s.records, s.data,
      s.zeroes, s.named, s.complete);
}

std::string lines_of(const summary& s) {
  std::string out = fmt::format("file={}\nformat=rbd diff v1\n", config::printable(s.file));
  if (s.head.from) out += fmt::format("from={}\n", config::printable(*s.head.from));
  if (s.head.to) out += fmt::format("to={}\n", config::printable(*s.head.to));
  return out + fmt::format(
                   "size={}\nrecords={}\ndata_bytes={}\nzero_bytes={}\nnamed_bytes={}\n"
                   "complete={}\n",
                   s.head.size, s.records, s.data, s.zeroes, s.named, s.complete ? "yes" : "no");
}

}  // namespace

void info(const std::vector<std::string>& diffs, bool json, const stop_signals& signals) {
  auto inputs = open_inputs(diffs, signals);
  std::string out;
  std::optional<std::string> problem;
  for (auto& each : inputs) {
    const summaries all(each);
    for (const auto& s : all.found()) {
      if (!out.empty()) out += json ? ",\n " : "\n";
      out += json ? json_of(s) : lines_of(s);
    }
    if (!problem) problem = all.problem();
  }
  if (json) out = "[" + out + "]\n";
  if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0)
    fail_with_errno("standard output", "writing failed");
  if (problem) throw failure(*problem);
}

}  // namespace nbdstream::restore
