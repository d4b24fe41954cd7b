// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RECEIPT_CONTENT_HPP
#define NBDSTREAM_RECEIPT_CONTENT_HPP

#include "diff/records.hpp"
#include "sink/sink.hpp"
#include "stage/fingerprint.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace nbdstream::receipt {

/// What a receipt says of a stream, but for what only the sink knows. No setting of a sink is in
/// it, so that no secret can be.
struct content {
  using time_point = std::chrono::system_clock::time_point;

  std::string export_name;
  std::uint64_t stream = 1;              ///< 1 for the first of its export in that process
  std::string unique_id;                 ///< which no other stream of any process has
  std::optional<diff::header> rbd_diff;  ///< none: raw
  std::optional<std::uint64_t> size;     ///< bytes of the disk, where it was given
  stage::fingerprint print;
  std::optional<int> zstd_level;  ///< none: it is not compressed
  std::uint64_t compressed = 0;   ///< bytes that the stream became by that
  std::uint64_t payload = 0;      ///< bytes that clients sent as data, and that were passed on
  std::uint64_t zeroes = 0;       ///< bytes of the disk that were passed on as zeroes,
  std::uint64_t zero_ranges = 0;  ///< in so many ranges
  std::uint64_t named = 0;        ///< bytes of the disk that a request has named,
  std::uint64_t missing = 0;      ///< and that none has
  std::uint64_t connections = 0;  ///< that wrote to it
  time_point began;
  time_point ended;
  std::string module;  ///< the sink's
};

/// As doc/receipt.schema.json describes it. `results`: what the sink has told of it.
[[nodiscard]] std::string to_json(const content& c, std::span<const sink::fact> results);

}  // namespace nbdstream::receipt
#endif
