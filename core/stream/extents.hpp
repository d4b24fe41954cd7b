// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STREAM_EXTENTS_HPP
#define NBDSTREAM_STREAM_EXTENTS_HPP

#include "stream/window.hpp"

#include <boost/container/map.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace nbdstream::stream {

/// Where the bytes of an extent are.
enum class content : std::uint8_t {
  zeroes,  ///< nowhere
  memory,  ///< in a block
  spill,   ///< in the spill file, at their own offsets
  sent     ///< gone: with order::any what was sent stays an extent
};

/// [begin, end) of the stream.
struct extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  content what = content::zeroes;
  block_ptr block{};  ///< content::memory

  [[nodiscard]] bool carries_data() const noexcept { return what != content::zeroes; }
};

/// What has been named and not yet sent: extents that do not overlap, by their offsets. Zeroes and
/// spilled bytes that touch are one extent, so a run of either costs the same however long it is.
/// All is O(log n), and O(1) more for each extent that is replaced.
class extents {
 public:
  /// [begin, end) becomes `e`'s, whatever was there: the last one to come wins.
  void assign(extent e);
  void erase(std::uint64_t begin, std::uint64_t end);

  [[nodiscard]] bool empty() const noexcept { return map_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return map_.size(); }
  /// Behind the last byte, 0 where there is none.
  [[nodiscard]] std::uint64_t end() const noexcept;
  /// Whether any of them is not zeroes.
  [[nodiscard]] bool carry_data() const noexcept { return with_data_ > 0; }
  /// All of them together, in bytes.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// How much of the spill file is in use, in bytes of whole pages.
  [[nodiscard]] std::uint64_t spilled_bytes() const noexcept { return spilled_; }
  /// The same of [begin, end) alone.
  [[nodiscard]] std::uint64_t spilled_bytes(std::uint64_t begin, std::uint64_t end) const;
  /// What bytes [begin, end) take in a file.
  [[nodiscard]] static std::uint64_t in_pages(std::uint64_t begin, std::uint64_t end) noexcept {
    constexpr std::uint64_t page = 4096;
    return (end + page - 1) / page * page - begin / page * page;
  }

  /// The extent that ends behind `offset`: it contains it, or is the next one.
  [[nodiscard]] std::optional<extent> at_or_after(std::uint64_t offset) const;
  [[nodiscard]] std::optional<extent> first() const { return at_or_after(0); }
  /// The last extent that begins before `offset`.
  [[nodiscard]] std::optional<extent> before(std::uint64_t offset) const;

 private:
  struct value {
    std::uint64_t end;
    block_ptr block;
    content what;

    [[nodiscard]] bool carries_data() const noexcept { return what != content::zeroes; }
    [[nodiscard]] std::uint64_t spilled_from(std::uint64_t begin) const noexcept {
      return what == content::spill ? in_pages(begin, end) : 0;
    }
  };
  // Nodes of 56 bytes; those of std::map have 72.
  using map = boost::container::map<std::uint64_t, value>;

  static extent view(const map::value_type& of);
  [[nodiscard]] map::const_iterator find(std::uint64_t offset) const;
  void split_at(std::uint64_t offset);
  void insert(map::const_iterator before, std::uint64_t begin, value v);
  map::iterator remove(map::iterator it);

  /// So many nodes are kept for extents to come: where no more than these come and go at a time, no
  /// allocation is made for them. A burst gives back the others at once.
  static constexpr std::size_t most_spare = 1024;

  map map_;  ///< by begin
  std::vector<map::node_type> spare_;
  std::size_t with_data_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t spilled_ = 0;
};

}  // namespace nbdstream::stream
#endif
