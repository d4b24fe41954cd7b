// SPDX-License-Identifier: BSD-3-Clause
//
// Decides whether a stream is complete: the only place that does. Pure: no Asio, no clock of its
// own, no log. The table "Complete or broken" of the README is the table of its test.
#ifndef NBDSTREAM_STREAM_VERDICT_HPP
#define NBDSTREAM_STREAM_VERDICT_HPP

#include "stream/coverage.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nbdstream::stream {

/// How a connection ended.
enum class disconnect : std::uint8_t {
  clean,       ///< NBD_CMD_DISC, with every request before it answered
  eof,         ///< closed between requests, every request answered
  mid_request  ///< closed inside a request, or with one unanswered
};

/// What must hold before a stream is committed.
struct completeness {
  bool decided_by_run = false;  ///< the exit status of --run decides, not how clients disconnect
  bool told = false;  ///< neither does: the job that writes is said to have succeeded or failed
  bool refuse_gaps = false;    ///< every byte must be named
  bool size_is_known = false;  ///< then a stream that names nothing is one of zeroes
  bool incremental = false;  ///< a byte that was never named keeps its content, and breaks nothing
  /// incremental: so many bytes must be named, each counted once.
  std::optional<std::uint64_t> expected_bytes{};
  /// The same, since the stream before this one was aborted when its client vanished: this client
  /// may be the same one, which has reconnected and goes on in the middle.
  bool follows_vanished_client = false;
  /// How long a stream of nothing but zeroes waits for another connection.
  std::chrono::nanoseconds settle{0};
  /// How long connections may stay when the command of --run has exited.
  std::chrono::nanoseconds run_grace{0};

  /// Whether a byte that was never named breaks the stream.
  [[nodiscard]] bool every_byte() const noexcept {
    return !incremental && (refuse_gaps || follows_vanished_client);
  }
  /// Whether it is coverage that proves that all came.
  [[nodiscard]] bool proven_by_coverage() const noexcept {
    return every_byte() || expected_bytes.has_value();
  }
};

/// One stream, from its first write to its end. Events come in, in any order; state() and next_at()
/// tell the owner what to do.
class verdict {
 public:
  using clock = std::chrono::steady_clock;
  using time_point = clock::time_point;

  enum class state : std::uint8_t {
    open,       ///< it is being written, or more writers may come
    settling,   ///< every writer has disconnected; nothing but zeroes came, so another may come,
                ///< or a connection that has not written may begin to
    written,    ///< no writer comes any more: cover() is due
    complete,   ///< what is held is to be sent, and the sink to be committed
    committed,  ///< final
    failed,     ///< to be aborted, for reason()
    aborted     ///< final
  };

  /// Why a stream failed, as far as the next one must know.
  enum class cause : std::uint8_t { none, vanished_client, other };

  verdict(completeness rules, time_point now) noexcept
      : rules_(rules), last_change_(now), writers_left_(now) {}

  // What clients do.

  /// A connection's first write. State: accepts_writers().
  void joined() noexcept;
  /// A connection that joined has ended; `who` is for reason().
  void left(disconnect how, std::string_view who, time_point now);
  /// A write carries data, not zeroes.
  void data_came() noexcept { any_data_ = true; }
  /// The number of connections that have not written: one of them may be about to.
  void bystanders(std::size_t count, time_point now) noexcept;

  // What others say.

  /// The command of --run has ended; `how` is the reason where it failed.
  void run_exited(int status, std::string_view how, time_point now);
  /// No connection is left, and none can come.
  void no_more_clients();
  /// From outside: the job that wrote the stream has succeeded. `named` is what was named until
  /// now. Returns why the stream is not complete, and then nothing has happened; empty: it is
  /// written.
  [[nodiscard]] std::string told_to_commit(const coverage& named);
  /// The process is asked to end: a stream that waits for more is broken, one whose writers have
  /// all disconnected is decided now.
  void stop(std::string_view reason);
  /// Something failed that the stream cannot do without. The first reason stays; without effect
  /// once the stream has ended.
  void fail(std::string_view reason, cause why = cause::other);
  /// Time has passed.
  void tick(time_point now);

  // What its owner does.

  /// State: written. Complete, or failed because of what was never named.
  void cover(const coverage& named);
  /// State: complete.
  void committed() noexcept { state_ = state::committed; }
  /// State: failed.
  void aborted() noexcept { state_ = state::aborted; }

  [[nodiscard]] state current() const noexcept { return state_; }
  /// Whether a connection's first write belongs to this stream.
  [[nodiscard]] bool accepts_writers() const noexcept {
    return state_ == state::open || state_ == state::settling;
  }
  /// Whether it has failed or ended: requests of those who joined get an error.
  [[nodiscard]] bool has_failed_or_ended() const noexcept { return state_ >= state::committed; }
  /// When tick() is due, unless something else comes first.
  [[nodiscard]] time_point next_at() const noexcept;
  /// Why it failed: one clause, and what to do about it.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  [[nodiscard]] cause why() const noexcept { return cause_; }

 private:
  [[nodiscard]] bool decided_by_disconnects() const noexcept {
    return !rules_.decided_by_run && !rules_.told;
  }
  void writers_are_gone() noexcept;
  bool enter_failed(cause why) noexcept;
  [[nodiscard]] std::string find_fault(const coverage& named) const;

  completeness rules_;
  state state_ = state::open;
  cause cause_ = cause::none;
  bool any_data_ = false;
  bool run_succeeded_ = false;
  bool no_more_clients_ = false;
  bool ended_by_eof_ = false;       ///< a writer disconnected without NBD_CMD_DISC,
  bool goes_on_after_eof_ = false;  ///< and after that another one joined
  std::size_t writers_ = 0;         ///< joined, and connected
  std::size_t bystanders_ = 0;
  time_point last_change_;   ///< when a connection came or went
  time_point writers_left_;  ///< when the last writer did
  time_point run_until_ = time_point::max();
  std::string reason_;
};

}  // namespace nbdstream::stream
#endif
