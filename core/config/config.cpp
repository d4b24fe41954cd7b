// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.hpp"

#include "config/temporary_directory.hpp"

#include <cstdlib>

namespace nbdstream::config {

std::string temporary_directory() {
  const char* const directory = std::getenv("TMPDIR");
  return directory != nullptr && *directory != '\0' ? directory : "/var/tmp";
}

std::string effective_spill_directory(const export_config& e) {
  return e.spill_directory.empty() ? temporary_directory() : e.spill_directory;
}

}  // namespace nbdstream::config
