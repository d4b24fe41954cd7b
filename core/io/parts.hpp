// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_PARTS_HPP
#define NBDSTREAM_IO_PARTS_HPP

#include <sys/uio.h>

#include <cstddef>
#include <span>

namespace nbdstream::io {

/// A piece of memory for writev(2), which does not change it.
[[nodiscard]] inline iovec part_of(std::span<const std::byte> data) noexcept {
  return {const_cast<std::byte*>(data.data()), data.size()};
}

}  // namespace nbdstream::io
#endif
