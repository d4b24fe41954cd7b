// SPDX-License-Identifier: BSD-3-Clause
//
// Where the bytes of a disk are read from, whatever that is: as a sink is where they go.
#ifndef NBDSTREAM_SOURCE_SOURCE_HPP
#define NBDSTREAM_SOURCE_SOURCE_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace nbdstream::source {

/// Why something cannot be read: an errno, and a sentence for the log that names the place.
struct failure {
  int error_number = 0;
  std::string why{};
  bool corrupt = false;  ///< what stands there is wrong: another attempt would find the same
  explicit operator bool() const noexcept { return error_number != 0; }
};

/// What stands at an offset.
enum class content {
  data,
  zeroes,  ///< bytes that are all zero
  hole     ///< the same, and they take no space
};

/// Bytes that do not change. Every call but the constructor may be made by several threads at a
/// time, and blocks.
class source {
 public:
  virtual ~source() = default;

  /// For the log: a path, a URL.
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t size() const noexcept = 0;  ///< bytes

  /// Fills `into` with what stands from `offset` on. State: that is within size().
  [[nodiscard]] virtual failure read(std::uint64_t offset, std::span<std::byte> into) = 0;

  struct extent {
    std::uint64_t end = 0;
    content what = content::data;
  };
  /// What stands at `offset`, and at least up to where it does: `found.end` is behind `offset`, and
  /// at most `until`. State: offset < until <= size().
  [[nodiscard]] virtual failure look(std::uint64_t offset, std::uint64_t until, extent& found) = 0;

  /// Makes the calls that wait for a network fail soon, those that come later too.
  virtual void interrupt() noexcept {}
};

}  // namespace nbdstream::source
#endif
