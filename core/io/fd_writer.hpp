// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_FD_WRITER_HPP
#define NBDSTREAM_IO_FD_WRITER_HPP

#include "io/readiness.hpp"
#include "io/worker.hpp"

#include <atomic>
#include <functional>
#include <span>

namespace nbdstream::io {

/// Writes a stream to a descriptor that somebody lends, whatever it is, without ever blocking the
/// loop: what can be polled is tried first and waited for, what blocks goes to the worker's thread.
class fd_writer {
 public:
  /// Everything is borrowed. `shared`: the open file description is not ours alone, so its flags
  /// stay as they are. `stop` ends blocking writes with operation_aborted soon after it is set.
  /// `before_wait` is called each time a write is about to wait; it may be empty.
  fd_writer(int fd, bool shared, readiness& ready, worker& thread, const std::atomic<bool>& stop,
            const std::function<void()>& before_wait);

  /// Writes all of `data`, or fails; how much was written before an error is unknown. Ends with
  /// operation_aborted once `stop` is set (and what it waits in was woken).
  [[nodiscard]] awaitable<error_code> write(std::span<const std::byte> data);

  /// The same with `count` zero bytes.
  [[nodiscard]] awaitable<error_code> write_zeroes(std::uint64_t count);

  /// Whether writes go to the worker's thread.
  [[nodiscard]] bool blocking() const noexcept { return how_ >= how::blocking_paced; }

 private:
  enum class how {
    nonblocking,     ///< a pipe of our own: O_NONBLOCK
    socket,          ///< MSG_DONTWAIT, whatever the description's flags
    blocking_paced,  ///< a shared pipe, a terminal: in pieces that poll() promises
    blocking,        ///< a file, a disk, a device
  };
  static how choose(int fd, bool shared);

  int fd_;
  how how_;
  readiness& ready_;
  worker& thread_;
  const std::atomic<bool>& stop_;
  const std::function<void()>& before_wait_;
};

}  // namespace nbdstream::io
#endif
