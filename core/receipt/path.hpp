// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RECEIPT_PATH_HPP
#define NBDSTREAM_RECEIPT_PATH_HPP

#include "config/config.hpp"
#include "log/log.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace nbdstream::receipt {

/// The file for the receipt of stream `id`: "%n" in the pattern is the id, "%%" a per cent sign.
/// Throws config::error where there is another "%".
[[nodiscard]] std::string path_of(std::string_view pattern, std::uint64_t id);

/// Before anything is created: receipts that were asked for must be possible. Removes what a
/// process that was killed has left behind, and says so. Blocks. Throws config::error.
void try_receipts(const config::configuration& config, log::logger& log);

/// The line for a partial file that was found.
[[nodiscard]] std::string describe_left_behind(std::string_view partial);

}  // namespace nbdstream::receipt
#endif
