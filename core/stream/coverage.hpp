// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STREAM_COVERAGE_HPP
#define NBDSTREAM_STREAM_COVERAGE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace nbdstream::stream {

/// What is known of the bytes that were named, and of those that never were.
///
/// A byte is named by a WRITE, or by a WRITE_ZEROES that no data overwrote later; TRIM names
/// nothing. Data on bytes that were named as zeroes show a client that zeroes the disk first and
/// then writes it: then that every byte was named proves nothing. Zeroes of a request that lies in
/// the first MiB are no such proof, since qemu-img zeroes the beginning of the disk, and writes it
/// again.
///
/// Constant memory however many holes there are: the first few are remembered for the log, the
/// others are counted.
class coverage {
 public:
  /// Zeroes of a request that ends here may be overwritten.
  static constexpr std::uint64_t rewritten_by_all = 1 << 20;  // bytes

  /// A request has named [begin, end) as zeroes.
  void add_zeroes(std::uint64_t begin, std::uint64_t end) noexcept {
    if (end > rewritten_by_all) cleared_from_ = std::min(cleared_from_, begin);
  }
  /// Data came for [begin, end), which was named as zeroes.
  void add_overwritten(std::uint64_t begin, std::uint64_t end) noexcept {
    begin = std::max(begin, cleared_from_);
    if (begin < end && !overwritten_at_) overwritten_at_ = begin;
  }
  [[nodiscard]] bool zeroes_were_overwritten() const noexcept {
    return overwritten_at_.has_value();
  }
  /// The first such byte that came. State: zeroes_were_overwritten().
  [[nodiscard]] std::uint64_t first_overwritten() const noexcept { return *overwritten_at_; }

  /// [begin, end) was passed by and can never be named any more. Calls come in rising order.
  void add_hole(std::uint64_t begin, std::uint64_t end) noexcept;

  /// No request comes any more: the stream, or the disk, has `size` bytes.
  void finish(std::uint64_t size) noexcept { size_ = size; }
  /// Those that were named, each once. State: finish() was called.
  [[nodiscard]] std::uint64_t named_bytes() const noexcept { return size_ - bytes_; }

  /// A request has named a byte.
  void add_named() noexcept { any_ = true; }
  [[nodiscard]] bool any() const noexcept { return any_; }

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
  std::uint64_t bytes_ = 0;  ///< that were not named
  std::uint64_t size_ = 0;
  bool any_ = false;
  /// From here on to the end of the first MiB a request that reached beyond it has named zeroes.
  std::uint64_t cleared_from_ = rewritten_by_all;
  std::optional<std::uint64_t> overwritten_at_;
};

}  // namespace nbdstream::stream
#endif
