// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STREAM_STALL_HPP
#define NBDSTREAM_STREAM_STALL_HPP

#include <chrono>
#include <cstdint>
#include <utility>

namespace nbdstream::stream {

/// When a gap at the cursor is skipped, for which clients wait in vain: when for `patience` the
/// cursor has not moved, and nothing more was held. Once one gap was skipped, later gaps do not
/// wait: the client skips zeroes. Pure.
class stall {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  stall(std::chrono::nanoseconds patience, time_point now) noexcept
      : patience_(patience), quiet_since_(now) {}

  /// The first client begins to wait.
  void wait_begins(time_point now) noexcept { quiet_since_ = now; }
  void cursor_is_at(std::uint64_t cursor, time_point now) noexcept {
    if (cursor == cursor_) return;
    cursor_ = cursor;
    quiet_since_ = now;
    most_held_ = 0;
  }
  /// While more and more is held, the missing bytes may be on their way too.
  void held_is(std::uint64_t bytes, time_point now) noexcept {
    if (bytes <= most_held_) return;
    most_held_ = bytes;
    quiet_since_ = now;
  }
  /// Returns whether it is the first.
  bool gap_was_skipped() noexcept { return !std::exchange(skips_at_once_, true); }

  /// State: a gap at the cursor keeps clients waiting.
  [[nodiscard]] time_point skip_at() const noexcept {
    return skips_at_once_ ? time_point::min() : quiet_since_ + patience_;
  }

 private:
  std::chrono::nanoseconds patience_;
  time_point quiet_since_;
  std::uint64_t cursor_ = 0;
  std::uint64_t most_held_ = 0;  ///< bytes, since the cursor moved
  bool skips_at_once_ = false;
};

}  // namespace nbdstream::stream
#endif
