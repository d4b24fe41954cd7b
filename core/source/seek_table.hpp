// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_SEEK_TABLE_HPP
#define NBDSTREAM_SOURCE_SEEK_TABLE_HPP

#include "seekable/table.hpp"
#include "source/source.hpp"

namespace nbdstream::source {

/// The seek table of a file. Throws config::error where it has none, or one that is wrong.
///
/// Bytes of the table have no checksum, and one that is wrong would move all that stands behind it
/// on the disk. So the frames are asked where the table is unlike a table of ours, in which all
/// frames but the last have the same size: that finds any entry that alone is wrong.
[[nodiscard]] seekable::table read_seek_table(source& from);

}  // namespace nbdstream::source
#endif
