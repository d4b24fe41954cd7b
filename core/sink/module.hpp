// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINK_MODULE_HPP
#define NBDSTREAM_SINK_MODULE_HPP

#include <nbdstream/sink.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace nbdstream::sink {

/// A module that cannot be used: one sentence that names the file, what was found in it, and what
/// was expected.
class load_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A loaded sink module. The library stays in the process for good, so copies of this, and all
/// that the table points to, are always valid.
struct module {
  std::string path;            ///< absolute
  nbdstream_sink_table table;  ///< members that the module's ABI minor does not have are zero
  std::vector<nbdstream_option> options;
};

/// Loads the shared library at `path` (absolute, or relative to the working directory) and checks
/// that it is a sink for this host. Throws load_error.
[[nodiscard]] module load_module(const std::string& path);

}  // namespace nbdstream::sink
#endif
