// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_EXTENT_INDEX_HPP
#define NBDSTREAM_RESTORE_EXTENT_INDEX_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace nbdstream::restore {

/// Where bytes of a disk stand in the diffs.
struct origin {
  std::size_t input = 0;
  std::uint64_t at = 0;  ///< byte of that input

  friend bool operator==(const origin&, const origin&) = default;
};

/// What diffs say about each byte of a disk: the last record that names it wins. Its memory grows
/// with the number of records, not with their lengths; records that follow one another are one.
class extent_index {
 public:
  struct extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::optional<origin> data{};  ///< none: zeroes

    friend bool operator==(const extent&, const extent&) = default;
  };

  void assign(const extent& e);
  void clear() noexcept;

  /// The extent that ends behind `offset`: it contains it, or is the next one.
  [[nodiscard]] std::optional<extent> at_or_after(std::uint64_t offset) const;
  /// How many bytes have been named, each counted once.
  [[nodiscard]] std::uint64_t named_bytes() const noexcept { return named_; }
  [[nodiscard]] std::size_t size() const noexcept { return map_.size(); }

 private:
  struct value {
    std::uint64_t end;
    std::optional<origin> data;
  };
  using map = std::map<std::uint64_t, value>;

  void split_at(std::uint64_t offset);
  bool join(map::iterator first, map::iterator second);

  map map_;  ///< by their beginnings
  std::uint64_t named_ = 0;
};

}  // namespace nbdstream::restore
#endif
