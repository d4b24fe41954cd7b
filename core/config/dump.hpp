// SPDX-License-Identifier: BSD-3-Clause
//
// The configuration in effect, as TOML that load_toml() reads back as the same configuration.
#ifndef NBDSTREAM_CONFIG_DUMP_HPP
#define NBDSTREAM_CONFIG_DUMP_HPP

#include "config/config.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace nbdstream::config {

/// Whether a sink's setting must not be shown. The sink's argument is asked about as "argument".
using secret_check = std::function<bool(const export_config&, std::string_view key)>;

/// Throws config::error for text that TOML cannot carry, since it is not UTF-8. A secret becomes
/// a comment without its value.
[[nodiscard]] std::string to_toml(const configuration& config, const secret_check& is_secret);

}  // namespace nbdstream::config
#endif
