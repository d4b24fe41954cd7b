// SPDX-License-Identifier: BSD-3-Clause
#include "log/log.hpp"

#include "log/json.hpp"
#include "log/output.hpp"
#include "log/timestamp.hpp"
#include "log/visible.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <iterator>
#include <variant>

namespace nbdstream::log {
namespace {

constexpr std::string_view name(level l) {
  switch (l) {
    case level::error: return "error";
    case level::warning: return "warning";
    case level::info: return "info";
    case level::debug: return "debug";
  }
  return "info";
}

/// `,"name":value`. What is no number in JSON (infinite, say) is null.
void append_member(std::string& out, const field& f) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":", f.name);
  if (const auto* const text = std::get_if<std::string_view>(&f.value)) {
    out += '"';
    append_json(out, *text);
    out += '"';
  } else if (const auto* const real = std::get_if<double>(&f.value)) {
    out += std::isfinite(*real) ? fmt::format("{:.3f}", *real) : "null";
  } else {
    out += std::to_string(std::get<std::uint64_t>(f.value));
  }
}

}  // namespace

std::string render(format form, level l, std::string_view text, fields about) {
  std::string out;
  if (form == format::json) {
    out = fmt::format(R"({{"time":"{}","level":"{}","message":")",
                      timestamp(std::chrono::system_clock::now()), name(l));
    append_json(out, text);
    out += '"';
    for (const auto& f : about) append_member(out, f);
    return out += "}\n";
  }
  out = "nbdstream: ";
  // As nbdkit and coreutils do, an ordinary line does not say that it is one.
  if (l != level::info) fmt::format_to(std::back_inserter(out), "{}: ", name(l));
  append_visible(out, text);
  return out += '\n';
}

bool logger::use_journal(std::string path) {
  journal_.emplace(std::move(path));
  if (!journal_->is_there()) journal_.reset();
  return journal_.has_value();
}

void logger::write(level l, std::string_view text, fields about) noexcept try {
  if (journal_ && journal_->send(l, text, about)) return;
  const auto whole = render(format_, l, text, about);
  if (const auto s = shared_screen()) {
    s->write_above(whole);
  } else {
    write_or_drop(fd_, whole);
  }
} catch (...) {
  // Only out of memory comes here, and then the line is lost.
}

}  // namespace nbdstream::log
