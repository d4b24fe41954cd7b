// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_FRAME_CONTENT_HPP
#define NBDSTREAM_SOURCE_FRAME_CONTENT_HPP

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace nbdstream::source {

/// Decompresses a frame of `size` bytes of content. Returns what is wrong with it, as a part of a
/// sentence; empty: nothing. Throws std::bad_alloc.
[[nodiscard]] std::string decompress(std::span<const std::byte> compressed, std::size_t size,
                                     std::vector<std::byte>& into);

}  // namespace nbdstream::source
#endif
