// SPDX-License-Identifier: BSD-3-Clause
#include "restore/scan.hpp"

#include "restore/reader.hpp"

namespace nbdstream::restore {

void scan_one(byte_input& from, std::size_t number, extents with, scanned& found) {
  reader diffs(from);
  for (;;) {
    const auto what = diffs.next();
    switch (what) {
      case reader::event::header: found.diffs.add(diffs.head(), from.name()); break;
      case reader::event::data:
      case reader::event::zeroes: {
        const auto& r = diffs.record();
        found.bytes += r.length;
        if (with == extents::not_wanted) break;
        extent_index::extent e{r.offset, r.end()};
        if (what == reader::event::data) e.data = origin{number, diffs.position()};
        found.extents.assign(e);
        break;
      }
      case reader::event::end: break;
      case reader::event::finished: return;
    }
  }
}

scanned scan(std::vector<input>& inputs, extents with) {
  scanned found;
  for (std::size_t i = 0; i < inputs.size(); ++i) scan_one(inputs[i], i, with, found);
  return found;
}

}  // namespace nbdstream::restore
