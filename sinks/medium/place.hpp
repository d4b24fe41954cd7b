// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_PLACE_HPP
#define NBDSTREAM_SINKS_MEDIUM_PLACE_HPP

#include <string>

namespace nbdstream::medium {

/// Where a file stands, or will: its directory, and its name there.
struct place {
  std::string directory;
  std::string name;
  [[nodiscard]] std::string path() const;
};

/// The place that a user's path names, whether anything is there or not. Throws sink_error where
/// no file can be made there, or cannot be given that name.
place place_for_file(const std::string& path);

/// Throws sink_error where the file that is there cannot be replaced by another.
void check_replaceable(const place& where);

}  // namespace nbdstream::medium

#endif
