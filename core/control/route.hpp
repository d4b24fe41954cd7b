// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_ROUTE_HPP
#define NBDSTREAM_CONTROL_ROUTE_HPP

#include "control/request.hpp"
#include "status/metrics.hpp"

#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace nbdstream::control {

/// What a request asks for, once it has been found to make sense.
struct action {
  enum class kind {
    page,
    health,
    status,
    metrics,
    events,   ///< without end
    outcome,  ///< these three wait: for the end of a stream
    commit,
    abort,
    stop
  };
  kind what = kind::status;
  bool without_body = false;  ///< HEAD
  std::string export_name{};  ///< outcome, commit, abort: one that there is
  std::string reason{};       ///< abort: UTF-8, or empty
  status::metrics_format form = status::metrics_format::prometheus;

  [[nodiscard]] bool waits() const noexcept {
    return what == kind::outcome || what == kind::commit || what == kind::abort;
  }
};

/// What counts beside the request itself.
struct surroundings {
  place where = place::control;
  std::string_view host{};  ///< metrics: the name or address that was configured
  std::span<const std::string> exports{};
};

/// What to do for a request, or the answer that refuses it. Pure.
[[nodiscard]] std::variant<action, answer> route(const request& r, const surroundings& around);

}  // namespace nbdstream::control
#endif
