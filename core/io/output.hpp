// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_OUTPUT_HPP
#define NBDSTREAM_IO_OUTPUT_HPP

#include "io/condition.hpp"
#include "io/transport.hpp"

#include <vector>

namespace nbdstream::io {

/// What is on its way to a peer. Several coroutines may have something to say: messages are queued
/// whole, and one coroutine at a time writes.
class output {
 public:
  output(const asio::any_io_executor& executor, transport& to) : to_(to), idle_(executor) {}

  /// Append whole messages here; nothing is sent by that.
  [[nodiscard]] std::vector<std::byte>& queue() noexcept { return queue_; }

  /// Whether something is queued that nobody sends.
  [[nodiscard]] bool waiting() const noexcept { return !queue_.empty() && !busy_; }

  /// Sends of the queue what goes without waiting, unless somebody sends already. Errors are left
  /// for send() to find.
  void try_send() noexcept;

  /// Until all that was queued before is with the peer's system. An error is for good, whoever it
  /// came to first.
  [[nodiscard]] awaitable<error_code> send();

  /// Sends what was queued, and gives the right to write() one long message piece by piece: what
  /// others queue waits until end_message(), which is due whatever went wrong.
  [[nodiscard]] awaitable<error_code> begin_message();
  [[nodiscard]] awaitable<error_code> write(std::span<const std::byte> data);
  void end_message();

 private:
  transport& to_;
  std::vector<std::byte> queue_;
  std::vector<std::byte> sending_;
  condition idle_;
  bool busy_ = false;
  error_code broken_;  ///< a message is lost: what comes after it is not sent
};

}  // namespace nbdstream::io
#endif
