// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_OWN_FILE_HPP
#define NBDSTREAM_IO_OWN_FILE_HPP

#include <cstdint>
#include <string>
#include <string_view>

namespace nbdstream::io {

/// Whether a file that we write anew may take the name `path`: 0 where nothing is there, an empty
/// file, or a regular file whose first 64 bytes `is_ours` knows; -EISDIR, -EEXIST for what must not
/// be replaced (a FIFO, a device, a link, somebody's file); -errno where that cannot be seen.
/// Blocks.
[[nodiscard]] std::int64_t check_replaceable(const std::string& path,
                                             bool (*is_ours)(std::string_view begin));

}  // namespace nbdstream::io
#endif
