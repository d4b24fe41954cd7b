// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STATUS_JSON_HPP
#define NBDSTREAM_STATUS_JSON_HPP

#include "status/snapshot.hpp"

#include <string>

namespace nbdstream::status {

/// All of it as one line of JSON. What is not known is null, times are of the form
/// "2026-11-27T06:00:00.123Z", numbers have their unit in their name:
///
///   version, pid, time, began, stopping,
///   exports[]: name, description, sink, size_bytes, state, streams, committed, aborted,
///     last_commit, sent_bytes, compressed_bytes, payload_bytes, zero_bytes, spliced_bytes,
///     spilled_bytes, rate_bytes_per_second, average_bytes_per_second, remaining_seconds,
///     history_interval_seconds, history_bytes_per_second[],
///     stream: null, or id, sent_bytes, compressed_bytes, payload_bytes, zero_bytes, spliced_bytes,
///       spilled_bytes, done_bytes, total_bytes, held_memory_bytes, held_memory_peak_bytes,
///       held_spill_bytes, held_spill_peak_bytes, writers, began, age_seconds,
///       map: cell_bytes, cells
///     recent[]: an outcome each
///   connections[]: id, export, writes, written_bytes
///
/// Members are only ever added.
[[nodiscard]] std::string to_json(const process& p);

/// One ended stream: id, outcome ("committed" or "aborted"), reason, sent_bytes, compressed_bytes,
/// payload_bytes, zero_bytes, spliced_bytes, spilled_bytes, began, ended, seconds, digest.
[[nodiscard]] std::string to_json(const outcome& o);

}  // namespace nbdstream::status
#endif
