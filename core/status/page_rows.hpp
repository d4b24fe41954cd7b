// SPDX-License-Identifier: BSD-3-Clause
//
// The rows of the tables of the page. page.js finds each cell of an export by its `data-f`, and
// writes the same into it as is written here; what is empty then is marked with `data-empty`.
#ifndef NBDSTREAM_STATUS_PAGE_ROWS_HPP
#define NBDSTREAM_STATUS_PAGE_ROWS_HPP

#include "status/html.hpp"
#include "status/snapshot.hpp"

namespace nbdstream::status {

/// A row for each export, its cells as the head of the table in page.html says.
void add_exports(html& out, const process& p);

/// A row for each stream that has ended, the newest first; of very many only the newest.
void add_outcomes(html& out, const process& p);

// What stands in cells of both tables.

void add_time(html& out, wall_clock::time_point when);
void add_outcome_mark(html& out, const outcome& o);

}  // namespace nbdstream::status
#endif
