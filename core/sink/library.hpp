// SPDX-License-Identifier: BSD-3-Clause
//
// What loading a sink and loading a source have in common.
#ifndef NBDSTREAM_SINK_LIBRARY_HPP
#define NBDSTREAM_SINK_LIBRARY_HPP

#include <nbdstream/sink.h>

#include <boost/dll/shared_library.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace nbdstream::sink {

/// Loads the shared library at `path`, which is absolute. It stays in the process for good. Throws
/// load_error.
[[nodiscard]] boost::dll::shared_library load_library(const std::string& path);

/// The options of a module, which may be smaller or larger than ours: `size` bytes each.
[[nodiscard]] std::vector<nbdstream_option> copy_options(const nbdstream_option* options,
                                                         std::uint32_t count, std::uint32_t size);

}  // namespace nbdstream::sink
#endif
