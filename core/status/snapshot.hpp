// SPDX-License-Identifier: BSD-3-Clause
//
// What the process is doing at one moment, as plain values. The server fills this in in one place
// (server::snapshot()); progress, metrics, JSON, the page and systemd's status line only read it,
// so that all of them say the same. Bytes, seconds, and points in time of the wall clock.
#ifndef NBDSTREAM_STATUS_SNAPSHOT_HPP
#define NBDSTREAM_STATUS_SNAPSHOT_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::status {

using wall_clock = std::chrono::system_clock;
using seconds = std::chrono::duration<double>;

/// What an export waits for, or does.
enum class state : std::uint8_t {
  waiting_for_client,       ///< no stream has begun
  waiting_for_reader,       ///< a client writes, and the sink's other side is not there yet
  streaming,                ///< bytes go to the sink as they come
  waiting_for_gap,          ///< data is held, since what stands before it has not come
  spooling,                 ///< all data is held, until the client has finished
  waiting_for_connections,  ///< every writer has disconnected, and another may come
  waiting_for_decision,     ///< --end told: every writer has disconnected
  committing,               ///< complete: what is held is sent, and made final
  aborting,                 ///< broken: the sink is told
  stuck,                    ///< the sink does not return from a call
  ended                     ///< no further stream will be served
};

/// "waiting for a client", for people.
[[nodiscard]] std::string_view name_of(state s);
/// "waiting_for_client", for programs.
[[nodiscard]] std::string_view word_for(state s);

/// What has been counted, of one stream or of all streams of an export. It never decreases.
struct counters {
  std::uint64_t sent = 0;        ///< bytes of the stream that were sent, before compression
  std::uint64_t compressed = 0;  ///< bytes that these became by it; 0: it is not compressed
  std::uint64_t payload = 0;     ///< of `sent`: that clients sent as data
  std::uint64_t zeroes = 0;      ///< bytes of the disk that were passed on as zeroes
  std::uint64_t spliced = 0;     ///< of `payload`: moved by the kernel from the client's socket
  std::uint64_t spilled = 0;     ///< of `payload`: that were in the spill file meanwhile

  counters& operator+=(const counters& other) noexcept {
    sent += other.sent;
    compressed += other.compressed;
    payload += other.payload;
    zeroes += other.zeroes;
    spliced += other.spliced;
    spilled += other.spilled;
    return *this;
  }
  bool operator==(const counters&) const = default;
};

/// The disk in cells of equal size, what is most recent in each of them.
struct disk_map {
  std::uint64_t cell_bytes = 0;
  /// A character a cell: see stream::fill_map.
  std::string cells;
  bool operator==(const disk_map&) const = default;
};

/// A stream that has begun and not ended.
struct open_stream {
  std::uint64_t id = 0;   ///< 1 for the first stream of its export,
  std::string unique_id;  ///< and what no other stream of any process has
  counters count;
  /// Bytes of the disk that are done with: sent or, with --order spool, held; out of `total`,
  /// where that is known.
  std::uint64_t done = 0;
  std::optional<std::uint64_t> total;
  std::uint64_t held_memory = 0;  ///< bytes, and the most that it was
  std::uint64_t held_memory_peak = 0;
  std::uint64_t held_spill = 0;
  std::uint64_t held_spill_peak = 0;
  /// Bytes of the stream that are safe with the sink's other side, where the sink tells that.
  std::optional<std::uint64_t> acknowledged;
  std::uint64_t writers = 0;  ///< connections that have written and are there
  wall_clock::time_point began;
  seconds age{0};
  disk_map map;
};

/// A stream that has ended.
struct outcome {
  std::uint64_t id = 0;
  std::string unique_id;
  bool committed = false;
  std::string reason;  ///< aborted: why; committed: what is missing all the same, the receipt
  counters count;
  wall_clock::time_point began;
  wall_clock::time_point ended;
  seconds took{0};
  std::string digest;  ///< "sha256:HEX" of the stream, where one was asked for
};

/// How fast an export is: bytes of the disk a second.
struct rates {
  double now = 0;      ///< over the last seconds
  double average = 0;  ///< since the stream began
  std::optional<seconds> remaining;
  /// Of the last minutes, the oldest first, one for each `history_interval`.
  std::vector<double> history;
};
constexpr seconds history_interval{2};

struct exported {
  std::string name;
  std::string description;
  std::string sink;  ///< the module's name
  std::optional<std::uint64_t> size;
  state now = state::waiting_for_client;
  std::uint64_t streams = 1;  ///< how many are to be served; 0: for ever
  std::uint64_t committed = 0;
  std::uint64_t aborted = 0;
  std::optional<wall_clock::time_point> last_commit;
  counters count;  ///< of all its streams
  std::optional<open_stream> current;
  std::vector<outcome> recent;  ///< the last ones, the oldest first
  rates speed;
};

/// A client that has chosen an export.
struct connection {
  std::uint64_t id = 0;
  std::string export_name;
  bool writes = false;        ///< has written to a stream
  std::uint64_t written = 0;  ///< bytes, of data and of zeroes
};

struct process {
  std::string version;
  int id = 0;
  wall_clock::time_point now;
  wall_clock::time_point began;
  bool stopping = false;  ///< no client is let in any more
  std::vector<exported> exports;
  std::vector<connection> connections;
};

}  // namespace nbdstream::status
#endif
