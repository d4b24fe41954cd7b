// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_APPS_VERIFY_HPP
#define NBDSTREAM_APPS_VERIFY_HPP

#include "log/log.hpp"

#include <span>

namespace nbdstream {

/// `nbdstream verify RECEIPT [FILE]`: whether a stream is the one of a receipt. `arguments` begin
/// with "verify". Returns the exit status: 0 it is, 1 it is another one, 2 it could not be checked.
[[nodiscard]] int verify(std::span<char*> arguments, log::logger& log);

}  // namespace nbdstream
#endif
