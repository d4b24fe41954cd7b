// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STREAM_COVERAGE_HPP
#define NBDSTREAM_STREAM_COVERAGE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace nbdstream::stream {

/// The bytes that no request ever named. Constant memory however many holes there are: the first
/// few are remembered for the log, the others are counted.
class coverage {
 public:
  /// [begin, end) was passed by and can never be named any more. Calls come in rising order.
  void add_hole(std::uint64_t begin, std::uint64_t end) noexcept;

  [[nodiscard]] bool complete() const noexcept { return bytes_ == 0; }
  [[nodiscard]] std::uint64_t missing_bytes() const noexcept { return bytes_; }

  /// "4096 bytes at 0, 512 bytes at 8192 and 17 more ranges", for people.
  [[nodiscard]] std::string describe() const;

 private:
  struct hole {
    std::uint64_t begin, end;
  };
  static constexpr std::size_t remembered = 4;
  std::array<hole, remembered> first_{};
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace nbdstream::stream
#endif
