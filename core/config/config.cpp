// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.hpp"

#include <cstdlib>

namespace nbdstream::config {

std::string effective_spill_directory(const export_config& e) {
  if (!e.spill_directory.empty()) return e.spill_directory;
  const char* const temporary = std::getenv("TMPDIR");
  // Not /tmp: it is often kept in RAM, which is what a spill file is there to spare.
  return temporary != nullptr && *temporary != '\0' ? temporary : "/var/tmp";
}

}  // namespace nbdstream::config
