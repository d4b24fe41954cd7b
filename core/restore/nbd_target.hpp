// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_NBD_TARGET_HPP
#define NBDSTREAM_RESTORE_NBD_TARGET_HPP

#include "restore/target.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace nbdstream::restore {

/// nbd://, nbds://, nbd+unix:// and so on.
[[nodiscard]] bool is_nbd_uri(std::string_view name) noexcept;

/// The disk of a server. Throws failure where it cannot be reached, or is read-only.
[[nodiscard]] std::unique_ptr<target> connect(const std::string& uri, const stop_signals& signals);

}  // namespace nbdstream::restore
#endif
