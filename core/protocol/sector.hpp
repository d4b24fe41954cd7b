// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_PROTOCOL_SECTOR_HPP
#define NBDSTREAM_PROTOCOL_SECTOR_HPP

#include <cstdint>

namespace nbdstream::protocol {

/// The unit in which qemu-img counts, in bytes.
inline constexpr std::uint64_t sector = 512;

}  // namespace nbdstream::protocol
#endif
