// SPDX-License-Identifier: BSD-3-Clause
//
// A connection to one client, as a session sees it: the seam to the operating system, behind which
// tests put one that fails.
#ifndef NBDSTREAM_IO_TRANSPORT_HPP
#define NBDSTREAM_IO_TRANSPORT_HPP

#include "io/error.hpp"
#include "io/fd_waiter.hpp"
#include "io/unique_fd.hpp"

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>

namespace nbdstream::io {

class transport {
 public:
  virtual ~transport() = default;

  /// Reads what there is, 1 byte or more, waiting for it if need be; 0 at the end of the stream.
  /// One read at a time.
  [[nodiscard]] virtual awaitable<io_result<std::size_t>> read_some(std::span<std::byte> into) = 0;

  /// Writes all of `data`. One write at a time.
  [[nodiscard]] virtual awaitable<error_code> write(std::span<const std::byte> data) = 0;

  /// From here on all bytes go through TLS: makes its handshake, with us as the server. Once, with
  /// no read or write under way; where it fails nothing more can be sent or received.
  [[nodiscard]] virtual awaitable<error_code> secure() {
    co_return asio::error::operation_not_supported;
  }

  enum class peer_state {
    connected,      ///< as far as is known
    sends_no_more,  ///< whether it still receives cannot be told (TCP)
    hung_up         ///< it could not even receive an answer
  };
  /// Until the peer sends no more or hangs up, or close(): then `connected`. Beside a read or write
  /// under way.
  [[nodiscard]] virtual awaitable<peer_state> wait_hangup() = 0;
  /// The same as it is now.
  [[nodiscard]] virtual peer_state peer() noexcept = 0;

  /// After the end of the stream was read: whether all that was written has reached the peer's
  /// system, waiting until `until` for that to turn out. A peer that was killed is known by it.
  [[nodiscard]] virtual awaitable<bool> all_delivered(clock::time_point until) = 0;

  /// The plain socket that the bytes come from, where what it has received may go elsewhere without
  /// being read; -1 where there is none.
  [[nodiscard]] virtual int socket() noexcept { return -1; }

  /// Until there is something to read, or the end. Where the system can (TCP), it waits for about
  /// `enough` bytes, so that what is done with them is worth its call; they must be on their way,
  /// and unread() tells what has come meanwhile. State: socket() is there.
  [[nodiscard]] virtual awaitable<error_code> readable(std::size_t /*enough*/) {
    co_return asio::error::operation_not_supported;
  }

  /// Reads what there is into `into`, one behind the other, and does not wait: `would_block` where
  /// there is nothing, 0 at the end of the stream. State: socket() is there.
  [[nodiscard]] virtual io_result<std::size_t> read_now(std::span<const iovec> /*into*/) noexcept {
    return error_code(asio::error::operation_not_supported);
  }

  /// How many bytes could be read without waiting.
  [[nodiscard]] virtual std::size_t unread() noexcept = 0;

  /// After the last write, where the peer may say more of which nobody needs to know (the end of
  /// TLS): waits for its end, since to close a TCP socket with something unread is a reset, which
  /// could cost the peer our last answers.
  [[nodiscard]] virtual awaitable<void> finish() { co_return; }

  /// Ends everything under way with operation_aborted, and what comes after at once.
  virtual void close() noexcept = 0;
};

/// A connected stream socket of ours.
[[nodiscard]] std::unique_ptr<transport> socket_transport(const asio::any_io_executor& executor,
                                                          unique_fd socket);

/// A pair of inherited descriptors, for --single: sockets, pipes or a terminal, whose open file
/// descriptions others may share.
[[nodiscard]] std::unique_ptr<transport> stdio_transport(const asio::any_io_executor& executor,
                                                         unique_fd in, unique_fd out);

}  // namespace nbdstream::io
#endif
