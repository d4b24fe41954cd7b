// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FILE_HOLES_HPP
#define NBDSTREAM_SINKS_FILE_HOLES_HPP

namespace nbdstream::file {

/// Whether bytes can be left out of a new file that is empty, and stays so: 0, or the errno of the
/// refusal. Some file systems, which send a file elsewhere while it is written, take nothing but
/// the next byte. They let an offset be set and then refuse the write, so that only an attempt
/// tells.
int try_hole(int fd) noexcept;

}  // namespace nbdstream::file

#endif
