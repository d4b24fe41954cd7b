// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_OUTPUT_HPP
#define NBDSTREAM_IO_OUTPUT_HPP

#include "io/condition.hpp"
#include "io/transport.hpp"

#include <cstdint>
#include <vector>

namespace nbdstream::io {

/// What is on its way to a peer. Coroutines queue whole messages. A writer of its own sends them as
/// soon as the coroutine that queued them waits for anything: so messages gather while it goes on,
/// and none stays behind while it waits.
class output {
 public:
  output(const asio::any_io_executor& executor, transport& to)
      : to_(to), idle_(executor), queued_(executor) {}

  /// Append whole messages here, then call queued().
  [[nodiscard]] std::vector<std::byte>& queue() noexcept { return queue_; }
  void queued() noexcept;

  /// The writer: until stop(), or an error, which send() tells too. Once.
  [[nodiscard]] awaitable<error_code> run();
  void stop() noexcept;

  /// Until all that was queued before is with the peer's system. An error is for good, whichever
  /// call it came to first.
  [[nodiscard]] awaitable<error_code> send();

  /// Sends what was queued, and gives the right to write() one long message piece by piece: what
  /// others queue waits until end_message(), which is due whatever went wrong.
  [[nodiscard]] awaitable<error_code> begin_message();
  [[nodiscard]] awaitable<error_code> write(std::span<const std::byte> data);
  void end_message();

  /// How many pieces the peer's system has taken: a deadline can tell a slow peer from a dead one.
  [[nodiscard]] std::uint64_t pieces_sent() const noexcept { return pieces_sent_; }

 private:
  /// A slow peer must take one within a deadline.
  static constexpr std::size_t piece = 64 << 10;  // bytes

  [[nodiscard]] bool waiting() const noexcept { return !queue_.empty() && !busy_ && !broken_; }
  [[nodiscard]] awaitable<void> write_pieces(std::span<const std::byte> data);

  transport& to_;
  std::vector<std::byte> queue_;
  std::vector<std::byte> sending_;
  condition idle_;
  condition queued_;
  bool busy_ = false;       ///< a coroutine writes, or has begun a message
  bool announced_ = false;  ///< the writer is on its way
  bool stopped_ = false;
  std::uint64_t pieces_sent_ = 0;
  error_code broken_;  ///< a message is lost: what comes after it is not sent
};

}  // namespace nbdstream::io
#endif
