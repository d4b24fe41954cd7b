// SPDX-License-Identifier: BSD-3-Clause
//
// Quantities as people read them. The script of the page has the same rules.
#ifndef NBDSTREAM_STATUS_QUANTITY_HPP
#define NBDSTREAM_STATUS_QUANTITY_HPP

#include "status/snapshot.hpp"

#include <cstdint>
#include <string>

namespace nbdstream::status {

/// "512 B", "1.5 GiB", "40 GiB", "412 MiB": to a tenth, or a whole one from 100 on.
[[nodiscard]] std::string size_in_words(double bytes);
/// "1.2 GiB", or "1.2 GiB, compressed to 300 MiB".
[[nodiscard]] std::string sent_in_words(const counters& c);
/// "0.3 s", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h": what is smaller is left out.
[[nodiscard]] std::string time_in_words(seconds time);
/// "2026-11-27 06:00:00 UTC"
[[nodiscard]] std::string date_in_words(wall_clock::time_point when);

}  // namespace nbdstream::status
#endif
