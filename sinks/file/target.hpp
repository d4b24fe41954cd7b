// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FILE_TARGET_HPP
#define NBDSTREAM_SINKS_FILE_TARGET_HPP

#include <sys/stat.h>

#include <string>

#include "../medium/place.hpp"

namespace nbdstream::file {

/// What a path leads to, of the things that this sink writes to.
struct target {
  enum class kind { missing, file, device };
  kind what = kind::missing;
  medium::place where{};  ///< of a file, or one to come: behind a link, where the link leads
  struct stat status {};  ///< of what is there
};

/// Throws, in the user's words, for everything else that may be there.
target look_at(const std::string& path);

/// Throws where the file that was found cannot be replaced, as far as that can be told before.
void check_replaceable(const std::string& path, const target& found);

}  // namespace nbdstream::file

#endif
