// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_CONTEXT_HPP
#define NBDSTREAM_LOG_CONTEXT_HPP

#include "log/log.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace nbdstream::log {

/// What events are about. What is not known, or does not apply, is none.
struct subject {
  std::string label;  ///< begins their text, where it is not empty: `export "vm1"`
  std::optional<std::string> exported;
  std::optional<std::uint64_t> stream;
  std::optional<std::uint64_t> connection;
};

/// The export of that name. The one without a name has no label.
[[nodiscard]] subject about_export(std::string name);

/// The log of one export, stream, connection or sink: puts the label before each text, and says as
/// fields what it is about ("export", "stream", "connection"). Thread-safe as the logger is.
class context : public levels<context> {
 public:
  /// `to` is borrowed, also by copies.
  context(logger& to, subject about = {}) : to_(&to), about_(std::move(about)) {}

  /// The same with `part` behind the label: `export "vm1": stream 2`.
  [[nodiscard]] context inside(std::string_view part) const;

  [[nodiscard]] subject& about() noexcept { return about_; }
  [[nodiscard]] bool enabled(level l) const noexcept { return to_->enabled(l); }

  /// `more` stands behind the fields of its own.
  void line(level l, std::string_view text, fields more = {}) noexcept;

 private:
  logger* to_;
  subject about_;
};

}  // namespace nbdstream::log
#endif
