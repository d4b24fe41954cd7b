// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_OPEN_HPP
#define NBDSTREAM_SOURCE_OPEN_HPP

#include "config/config.hpp"
#include "log/log.hpp"
#include "source/source.hpp"

#include <memory>
#include <string>
#include <vector>

namespace nbdstream::source {

struct request {
  std::vector<std::string> names;
  bool raw = false;
  std::vector<config::sink_setting> options;  ///< for the modules that read objects
};

/// The disk that is in these files, or objects of SCHEME://..., by what they begin with: a seekable
/// zstd file, of a disk or of a diff; a chain of diffs; or else a raw disk. With `raw` the one file
/// as it is. Blocks. `log` is borrowed. Throws config::error, sink::load_error or restore::failure,
/// one line for the user.
[[nodiscard]] std::shared_ptr<source> open(const request& r, log::logger& log);

}  // namespace nbdstream::source
#endif
