// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_CONTROLLED_HPP
#define NBDSTREAM_CONTROL_CONTROLLED_HPP

#include "server/export.hpp"
#include "status/snapshot.hpp"

#include <string_view>

namespace nbdstream::control {

/// What is looked at and told: the server, or in a test less than that.
class controlled {
 public:
  virtual ~controlled() = default;
  [[nodiscard]] virtual status::process snapshot() const = 0;
  /// The export of that name, or null.
  [[nodiscard]] virtual nbd_export* find_export(std::string_view name) noexcept = 0;
  /// Ends as at SIGTERM.
  virtual void stop() = 0;
};

}  // namespace nbdstream::control
#endif
