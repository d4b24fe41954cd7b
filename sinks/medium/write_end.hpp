// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_WRITE_END_HPP
#define NBDSTREAM_SINKS_MEDIUM_WRITE_END_HPP

#include "descriptor.hpp"
#include "retry.hpp"

namespace nbdstream {
class sink_host;
}

namespace nbdstream::medium {

/// Raises the capacity of a pipe as far as the system lets us, never lowers it: the largest single
/// gain for whoever copies through it. Failing is no error; `host` logs it.
void raise_pipe_size(int fd, const sink_host& host);

/// Bytes in the pipe that nobody has read; asking is allowed at the write end. Throws.
int unread(int pipe);

/// Whether nobody has the pipe open for reading any more; `fd` is its write end.
bool without_reader(int fd) noexcept;

/// A FIFO had one reader after the other, or several. Throws.
[[noreturn]] void fail_reader_exchanged();

/// Whether closing a TCP socket resets its connection, also where the kernel closes it because we
/// were killed; otherwise that would look like the end of a complete stream. No other kind of
/// socket knows the difference.
void reset_when_closed(int socket, bool resets) noexcept;

/// The descriptor to which a stream is written, and what it takes to end a stream on it so that
/// the other side learns as much as the medium can carry.
class write_end {
 public:
  enum class sharing { none, with_other_processes };

  write_end() = default;
  /// Finds out by itself what `fd` is; throws where it cannot. From now on until finish, a TCP
  /// connection that is closed is reset.
  explicit write_end(descriptor fd, sharing shared = sharing::none);

  [[nodiscard]] int get() const noexcept { return fd_.get(); }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  [[nodiscard]] bool is_pipe() const noexcept { return kind_ == kind::pipe; }

  /// The stream is complete: returns 0 once the other side has taken it, so far as the medium can
  /// tell, or -EAGAIN, to be repeated; throws sink_error where it will never take it all.
  /// Pipe: the reader has read the last byte. Unix socket: likewise, and the peer was told the
  /// end. TCP: the peer's system has acknowledged the last byte, then the end.
  int finish(retry& wait);

  /// After finish: 0 or -errno.
  int close() noexcept;

  /// The stream is not complete: closes at once, over TCP with a reset.
  void abandon() noexcept;

 private:
  enum class kind { pipe, socket, other };

  int finish_pipe(retry& wait);
  int finish_socket(retry& wait);
  [[nodiscard]] bool is_tcp() const noexcept;

  descriptor fd_;
  kind kind_ = kind::other;
  sharing shared_ = sharing::none;
  bool end_was_sent_ = false;
};

}  // namespace nbdstream::medium

#endif
