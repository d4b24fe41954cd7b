// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STATUS_METRICS_HPP
#define NBDSTREAM_STATUS_METRICS_HPP

#include "status/snapshot.hpp"

#include <string>
#include <string_view>

namespace nbdstream::status {

enum class metrics_format { prometheus, openmetrics };

/// All that can be counted or measured, for Prometheus.
[[nodiscard]] std::string to_metrics(const process& p, metrics_format form);

/// For the header Content-Type.
[[nodiscard]] std::string_view content_type(metrics_format form) noexcept;

}  // namespace nbdstream::status
#endif
