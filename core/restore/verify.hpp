// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_VERIFY_HPP
#define NBDSTREAM_RESTORE_VERIFY_HPP

#include "restore/input.hpp"
#include "restore/scan.hpp"
#include "restore/target.hpp"

#include <vector>

namespace nbdstream::restore {

/// Reads the target back, and throws failure with the first byte that is not what the diffs say. Of
/// a full diff the bytes that it does not name are zeroes.
void verify(const scanned& diffs, const std::vector<input>& inputs, target& of);

}  // namespace nbdstream::restore
#endif
