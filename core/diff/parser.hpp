// SPDX-License-Identifier: BSD-3-Clause
//
// Reads "rbd diff v1" streams, one diff or several behind one another, from bytes that may be
// anything.
#ifndef NBDSTREAM_DIFF_PARSER_HPP
#define NBDSTREAM_DIFF_PARSER_HPP

#include "diff/records.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace nbdstream::diff {

/// Why the bytes are no diff.
struct fault {
  enum class kind {
    truncated,  ///< they end before the end record
    malformed   ///< they are something else
  };
  kind what = kind::malformed;
  std::uint64_t at = 0;  ///< the offset of the byte, from the beginning of the input
  std::string text;      ///< a sentence without its beginning, which is where that is
};

/// Where a record of data or zeroes belongs: always within the disk.
struct range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< 0: it says nothing

  [[nodiscard]] std::uint64_t end() const noexcept { return offset + length; }
};

/// Bytes in, records out; it keeps the names of one header and a few numbers, whatever the input
/// says. The data of a record do not pass through it: its caller takes them, or skips them.
class parser {
 public:
  enum class event {
    more,    ///< the input is used up
    header,  ///< header() is complete; comes once a diff, before its records
    data,    ///< record() is new, and payload_left() bytes stand next in the input
    zeroes,  ///< record() is new
    end,     ///< the diff was whole; another one may follow
    broken   ///< problem() says why; it stays so
  };

  /// Takes bytes from the front of `in` until something is known. State: payload_left() is 0.
  [[nodiscard]] event next(std::span<const std::byte>& in);

  /// The caller has taken `count` bytes of the payload, at most payload_left().
  void take_payload(std::uint64_t count) noexcept;
  [[nodiscard]] std::uint64_t payload_left() const noexcept { return payload_; }

  /// The input has ended: whether it may, or what is wrong with that.
  [[nodiscard]] std::optional<fault> close() const;

  [[nodiscard]] const header& head() const noexcept { return header_; }
  [[nodiscard]] const range& record() const noexcept { return record_; }
  [[nodiscard]] const fault& problem() const noexcept { return *fault_; }
  /// How many bytes of the input were taken.
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

 private:
  enum class state { outside, beginning, tag, name_length, name, size, record };

  bool gather(std::span<const std::byte>& in, std::size_t want);
  std::optional<event> next_step(std::span<const std::byte>& in);
  std::optional<event> take_magic(std::span<const std::byte>& in);
  std::optional<event> take_tag(std::span<const std::byte>& in);
  std::optional<event> begin_metadata(bool repeated);
  std::optional<event> take_name_length();
  std::optional<event> take_name(std::span<const std::byte>& in);
  std::optional<event> take_size();
  std::optional<event> take_record();
  event refuse(std::uint64_t at, std::string text);

  header header_;
  range record_;
  std::optional<fault> fault_;
  state state_ = state::outside;
  tag tag_ = tag::end;         ///< of the record that is being read
  std::uint64_t tag_at_ = 0;   ///< where that begins
  std::uint64_t diff_at_ = 0;  ///< where the diff begins
  std::uint64_t diffs_ = 0;    ///< that were whole
  std::uint64_t position_ = 0;
  std::uint64_t payload_ = 0;
  std::array<std::byte, 16> field_{};  ///< of numbers, as far as they came
  std::size_t gathered_ = 0;
  std::size_t name_left_ = 0;
  std::string name_;
  bool has_size_ = false;
  bool header_told_ = false;
};

}  // namespace nbdstream::diff
#endif
