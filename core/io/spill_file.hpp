// SPDX-License-Identifier: BSD-3-Clause
//
// What a spill file is made of; the spill itself is in io/spill.hpp.
#ifndef NBDSTREAM_IO_SPILL_FILE_HPP
#define NBDSTREAM_IO_SPILL_FILE_HPP

#include "io/error.hpp"
#include "io/spill.hpp"
#include "io/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace nbdstream::io {

/// Space is given back in aligned blocks of this many bytes. Punching a part of a folio of the page
/// cache zeroes that part *in place* (seen on ext4, and on tmpfs with huge pages), also under a
/// reader that has moved the pages on by splice, where FIONREAD shows nothing. Whole folios are
/// only detached, and keep their bytes. Folios are aligned to their size, and none is larger than
/// this (MAX_XAS_ORDER of Linux).
[[nodiscard]] std::uint64_t give_back_unit() noexcept;

/// A new file without a name in `directory`, for reading and writing.
[[nodiscard]] io_result<unique_fd> make_unnamed(const std::string& directory);
/// The same where the file system must give it a name first.
[[nodiscard]] io_result<unique_fd> make_and_unlink(const std::string& directory);

/// Writes all of `data`; blocks. Returns 0 or -errno.
[[nodiscard]] std::int64_t write_at(int file, std::uint64_t offset,
                                    std::span<const std::byte> data) noexcept;
/// Writes all `pieces`, none of them empty, neighbours with one call; blocks. Returns 0 or -errno.
[[nodiscard]] std::int64_t write_pieces_at(int file, std::span<const spill::piece> pieces) noexcept;
/// Reads all of `into`; blocks. Returns 0 or -errno; a file that ends before is -EIO.
[[nodiscard]] std::int64_t read_at(int file, std::uint64_t offset,
                                   std::span<std::byte> into) noexcept;

}  // namespace nbdstream::io
#endif
