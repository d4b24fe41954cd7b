// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_SPILL_HPP
#define NBDSTREAM_IO_SPILL_HPP

#include "io/error.hpp"

#include "io/condition.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace nbdstream::io {

/// Where held payload is kept that memory has no room for, addressed by its offset in the stream
/// (bytes). For coroutines of the loop's thread; several may call at once, and are served one at a
/// time in order of arrival. Must outlive every call.
///
/// A disk may hang in any call. Each call has a deadline (ETIMEDOUT), and abandon() ends the
/// waiting for it: the system then still uses the memory of the call, which `owner` keeps alive.
///
/// Bytes may leave by reference (fd_writer::send_file), so their pages must not change while
/// somebody still looks at them. Nobody can tell how long a reader that splices does; therefore
/// one spill serves one stream, and goes with it: closing the file changes no page.
class spill {
 public:
  virtual ~spill() = default;

  /// Makes the file. Once, before all else. Errors are those of open(2).
  [[nodiscard]] virtual awaitable<error_code> open() = 0;

  struct piece {
    std::uint64_t offset;
    std::span<const std::byte> data;
  };
  /// Keeps `pieces`, each at its offset, over what may be there; one after another, neighbours
  /// with one call of the system. They and their bytes are memory of `owner`. Errors are the
  /// system's: ENOSPC, EFBIG, EIO, ...; what is there after one is unknown.
  [[nodiscard]] virtual awaitable<error_code> write(std::span<const piece> pieces,
                                                    std::shared_ptr<const void> owner) = 0;

  /// Reads back all of `into`, which is memory of `owner`. State: these bytes were kept and not
  /// given back; otherwise they read as zeroes, or are an error (EIO).
  [[nodiscard]] virtual awaitable<error_code> read(std::uint64_t offset, std::span<std::byte> into,
                                                   std::shared_ptr<void> owner) = 0;

  /// [begin, end), whether it was kept or not, is needed no more: gives the space of the whole
  /// blocks in it back, together with what was given back next to it before; of places apart only
  /// the first in the file is remembered for that, as the stream goes from there. Blocks are large
  /// (see give_back_unit()); the rest comes back when the spill goes. Never fails: a file system
  /// that cannot do it is no error. A later write() there is kept like any other.
  [[nodiscard]] virtual awaitable<void> give_back(std::uint64_t begin, std::uint64_t end) = 0;

  /// [begin, end) is needed no more, and has not been handed on to anybody: gives its whole pages
  /// back. Never fails.
  [[nodiscard]] virtual awaitable<void> discard(std::uint64_t begin, std::uint64_t end) = 0;

  /// Whatever is under way returns operation_aborted now, and whatever comes does at once.
  virtual void abandon() = 0;

  /// A regular file that holds the bytes at the same offsets, owned by the spill; -1 where there is
  /// none (tests).
  [[nodiscard]] virtual int descriptor() const noexcept = 0;
};

/// Makes such a file, and removes it: why a spill would fail there, if so. Blocks.
[[nodiscard]] error_code try_spill_directory(const std::string& directory);

/// A spill that makes a sparse file without a name in `directory`, gone with the spill or the
/// process. No call may take longer than `timeout`.
[[nodiscard]] std::unique_ptr<spill> make_spill_file(const asio::any_io_executor& executor,
                                                     std::string directory,
                                                     clock::duration timeout);

}  // namespace nbdstream::io
#endif
