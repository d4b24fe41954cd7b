// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_STREAM_SUMMARY_HPP
#define NBDSTREAM_SERVER_STREAM_SUMMARY_HPP

#include "log/field.hpp"
#include "status/snapshot.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nbdstream {

/// What the log says of a stream that has ended: one line, and the same for programs.
struct stream_summary {
  status::outcome ended;
  std::optional<std::uint64_t> named;  ///< rbd-diff: bytes of the disk that it is about
  std::uint64_t ahead = 0;             ///< writes that came ahead of the stream,
  std::uint64_t distance = 0;          ///< by up to so many bytes
  std::uint64_t held_memory_peak = 0;  ///< most bytes held at once
  std::uint64_t held_spill_peak = 0;
  /// Aborted by a request: of which connection, and where it begins.
  std::optional<std::uint64_t> connection;
  std::optional<std::uint64_t> offset;

  /// "committed, 4096 bytes, ...", or "aborted after 4096 bytes: REASON (...)".
  [[nodiscard]] std::string text() const;
  /// Named as in status/json.hpp. They refer to this object.
  [[nodiscard]] std::vector<log::field> fields() const;
};

}  // namespace nbdstream
#endif
