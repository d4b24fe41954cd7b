// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STATUS_PAGE_HPP
#define NBDSTREAM_STATUS_PAGE_HPP

#include "status/snapshot.hpp"

#include <string>

namespace nbdstream::status {

/// The page for a browser, as UTF-8: one HTML document that loads nothing but events of
/// /v1/events. It shows all that is in `p` without them, too, as a table.
[[nodiscard]] std::string page(const process& p);

}  // namespace nbdstream::status
#endif
