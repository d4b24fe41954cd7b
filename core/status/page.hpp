// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STATUS_PAGE_HPP
#define NBDSTREAM_STATUS_PAGE_HPP

#include "status/snapshot.hpp"

#include <string>
#include <string_view>

namespace nbdstream::status {

/// The page for a browser, as UTF-8: one HTML document that loads nothing but events of
/// v1/events, beside itself. It shows all that is in `p` without them, too, as tables.
///
/// It only shows. No browser reaches the Unix socket on which something can be done, and where
/// one can see the page nothing can be: so it has no buttons, no forms, and no token to keep.
[[nodiscard]] std::string page(const process& p);

/// For the header Content-Security-Policy: nothing but the style and the script that the page has
/// itself, known by their digests, and nothing that makes markup out of text.
[[nodiscard]] std::string_view page_policy();

}  // namespace nbdstream::status
#endif
