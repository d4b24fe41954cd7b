// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_CONTENTS_HPP
#define NBDSTREAM_RESTORE_CONTENTS_HPP

#include "restore/input.hpp"
#include "restore/scan.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace nbdstream::restore {

/// The bytes that a chain of diffs makes, in the order of their offsets: of a full chain the whole
/// disk, of another one what it names.
class contents {
 public:
  static constexpr std::size_t piece = 1 << 20;  // bytes

  struct part {
    std::uint64_t offset;
    std::span<const std::byte> bytes;  ///< at most `piece`; until the next call
  };

  contents(const scanned& diffs, const std::vector<input>& inputs);

  /// none: that was all. Throws failure.
  [[nodiscard]] std::optional<part> next();

 private:
  const scanned& diffs_;
  const std::vector<input>& inputs_;
  std::uint64_t at_ = 0;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> zeroes_;
};

}  // namespace nbdstream::restore
#endif
