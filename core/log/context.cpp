// SPDX-License-Identifier: BSD-3-Clause
#include "log/context.hpp"

#include <fmt/format.h>

#include <vector>

namespace nbdstream::log {

subject about_export(std::string name) {
  subject made;
  if (!name.empty()) made.label = fmt::format("export \"{}\"", name);
  made.exported = std::move(name);
  return made;
}

context context::inside(std::string_view part) const {
  context made(*this);
  auto& label = made.about_.label;
  label += label.empty() ? "" : ": ";
  label += part;
  return made;
}

void context::line(level l, std::string_view text, fields more) noexcept try {
  if (!enabled(l)) return;
  std::vector<field> all;
  all.reserve(3 + more.size());
  if (about_.exported) all.push_back({"export", std::string_view(*about_.exported)});
  if (about_.stream) all.push_back({"stream", *about_.stream});
  if (about_.connection) all.push_back({"connection", *about_.connection});
  all.insert(all.end(), more.begin(), more.end());
  if (about_.label.empty()) return to_->line(l, text, all);
  to_->line(l, fmt::format("{}: {}", about_.label, text), all);
} catch (...) {
  // Only out of memory comes here, and then the line is lost.
}

}  // namespace nbdstream::log
