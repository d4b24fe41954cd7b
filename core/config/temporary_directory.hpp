// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONFIG_TEMPORARY_DIRECTORY_HPP
#define NBDSTREAM_CONFIG_TEMPORARY_DIRECTORY_HPP

#include <string>

namespace nbdstream::config {

/// Where large temporary files go: $TMPDIR, or else /var/tmp. Not /tmp: it is often kept in RAM,
/// which such a file is there to spare.
[[nodiscard]] std::string temporary_directory();

}  // namespace nbdstream::config
#endif
