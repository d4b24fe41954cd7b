// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_BYTE_INPUT_HPP
#define NBDSTREAM_RESTORE_BYTE_INPUT_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace nbdstream::restore {

/// Bytes that come one behind the other: what diffs are read from.
class byte_input {
 public:
  virtual ~byte_input() = default;
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// The next bytes, at most as many as `into` has; 0: there are no more. Throws failure.
  [[nodiscard]] virtual std::size_t read(std::span<std::byte> into) = 0;
  /// Passes over `count` bytes. Returns over how many: fewer where the input ends before.
  [[nodiscard]] virtual std::uint64_t skip(std::uint64_t count) = 0;
  /// Begins again, where that can be done.
  virtual void rewind() noexcept = 0;
};

}  // namespace nbdstream::restore
#endif
