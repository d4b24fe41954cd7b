// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_SCAN_HPP
#define NBDSTREAM_RESTORE_SCAN_HPP

#include "restore/chain.hpp"
#include "restore/extent_index.hpp"
#include "restore/input.hpp"

#include <cstdint>
#include <vector>

namespace nbdstream::restore {

/// What a chain of diffs says, without its data.
struct scanned {
  chain diffs;
  std::uint64_t bytes = 0;  ///< that its records name, each time they do
  extent_index extents;     ///< where wanted
};

enum class extents { wanted, not_wanted };

/// Reads all of one input, passing over the data, behind what `found` has. `number`: what the input
/// is called in the extents. Throws failure where anything is wrong with it.
void scan_one(byte_input& from, std::size_t number, extents with, scanned& found);

/// Reads all of it, passing over the data. Throws failure where anything is wrong with it. State:
/// every input is seekable.
[[nodiscard]] scanned scan(std::vector<input>& inputs, extents with);

}  // namespace nbdstream::restore
#endif
