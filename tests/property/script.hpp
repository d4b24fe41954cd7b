// SPDX-License-Identifier: BSD-3-Clause
//
// The requests of several clients to one export, as a list that can be generated, shortened and
// printed.
#ifndef NBDSTREAM_TESTS_PROPERTY_SCRIPT_HPP
#define NBDSTREAM_TESTS_PROPERTY_SCRIPT_HPP

#include "choices.hpp"
#include "stream/sequencer.hpp"

#include <optional>
#include <string>
#include <vector>

namespace nbdstream::test {

struct op {
  enum class kind : std::uint8_t { write, zeroes, trim, read, flush, disc };
  kind what = kind::write;
  std::uint8_t client = 0;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  bool fua = false;
  bool dirty = false;      ///< a write: its bytes beyond the size are not zero
  std::uint8_t delay = 0;  ///< a write, sequencer only: its payload comes so many requests later

  bool operator==(const op&) const = default;
  [[nodiscard]] std::uint64_t end() const noexcept { return std::uint64_t{offset} + length; }
  /// Whether it changes bytes. The others only ask.
  [[nodiscard]] bool changes() const noexcept { return what <= kind::trim; }
};

struct script {
  stream::order mode = stream::order::strict;
  std::optional<std::uint64_t> size{};
  std::uint64_t window = 1000;         ///< bytes; a held write costs 128 more than its payload
  std::optional<std::uint64_t> spill;  ///< --spill-limit
  bool patient = false;  ///< --stall is endless, and blocked clients get help; else it is 0
  bool refuse_gaps = false;
  bool pad = true;
  /// Sessions only: so many bytes of the disk are covered first. All offsets and sizes count from
  /// there.
  std::uint64_t before = 0;
  std::vector<op> ops{};

  bool operator==(const script&) const = default;
  /// Requests that change bytes may reach up to here. Bytes beyond it do not belong to the stream.
  [[nodiscard]] std::uint64_t reach() const noexcept {
    return size ? (*size + 511) / 512 * 512 : max_stream;
  }
  static constexpr std::uint64_t max_stream = 4000;
  static constexpr std::size_t most_clients = 4;
};

/// Generates a script of up to `most_ops` requests.
[[nodiscard]] script make_script(choices& from, stream::order mode, std::size_t most_ops);

/// Generates a client that clears all, some or none of the disk, and then copies another disk to it
/// block by block, to the end or until it is interrupted. The copy crosses the end of the first
/// MiB.
[[nodiscard]] script make_copy(choices& from, stream::order mode);

/// The payload's byte at `offset` of the stream, for the `index`th request: never 0.
[[nodiscard]] inline char payload_byte(std::size_t index, std::uint64_t offset) noexcept {
  return static_cast<char>(1 + (index * 89 + offset * 7) % 255);
}

/// The script as C++, for a regression test.
[[nodiscard]] std::string to_text(const script& s);

}  // namespace nbdstream::test
#endif
