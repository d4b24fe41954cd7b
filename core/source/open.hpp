// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_OPEN_HPP
#define NBDSTREAM_SOURCE_OPEN_HPP

#include "config/serve_cli.hpp"
#include "log/log.hpp"
#include "source/source.hpp"

#include <memory>
#include <string>
#include <vector>

namespace nbdstream::source {

struct request {
  std::vector<std::string> names;
  config::source_form as = config::source_form::by_first_bytes;
  std::vector<config::sink_setting> options;  ///< for the modules that read objects
};

/// The disk that is in these files, or objects of SCHEME://...; several are diffs. All of it keeps
/// what was used last in the same 256 MiB, or, of blocks of objects, 64 MiB. Blocks. `log` is
/// borrowed. Throws config::error, sink::load_error or restore::failure, one line for the user.
[[nodiscard]] std::shared_ptr<source> open(const request& r, log::logger& log);

}  // namespace nbdstream::source
#endif
