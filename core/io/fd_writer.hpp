// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_FD_WRITER_HPP
#define NBDSTREAM_IO_FD_WRITER_HPP

#include "io/discard.hpp"
#include "io/fd_waiter.hpp"
#include "io/file_source.hpp"
#include "io/splice_pipe.hpp"
#include "io/splice_result.hpp"
#include "io/worker.hpp"
#include "io/zero_pipe.hpp"

#include <sys/uio.h>

#include <atomic>
#include <memory>
#include <optional>
#include <span>

namespace nbdstream::io {

/// Writes a stream to a descriptor that somebody lends, whatever it is, without ever blocking the
/// loop: what can be polled is tried first and waited for, what blocks goes to the worker's thread.
/// One call at a time.
class fd_writer {
 public:
  /// Everything is borrowed. `shared`: the open file description is not ours alone, so its flags
  /// stay as they are. `stop` ends blocking writes with operation_aborted soon after it is set.
  /// `copy_only`: no page of a file is handed on by reference.
  fd_writer(int fd, bool shared, fd_waiter& ready, worker& thread, const std::atomic<bool>& stop,
            bool copy_only = false);

  /// Writes all of `data`, or fails; how much was written before an error is unknown. Ends with
  /// operation_aborted once `stop` is set (and what it waits in was woken).
  [[nodiscard]] awaitable<error_code> write(std::span<const std::byte> data);

  /// The same with several pieces of memory, with as few calls of the system as that takes. Spoils
  /// `parts`, which must stay until it returns.
  [[nodiscard]] awaitable<error_code> write_parts(std::span<iovec> parts);

  /// The same with `count` zero bytes.
  [[nodiscard]] awaitable<error_code> write_zeroes(std::uint64_t count);

  /// The same with `count` bytes at `offset` of the regular file `from`, which is borrowed and not
  /// positioned. A file that ends before is an error (EIO). A pipe gets references to the file's
  /// pages, where the system can do that: see in_transit(). All else is copied.
  [[nodiscard]] awaitable<error_code> send_file(int from, std::uint64_t offset,
                                                std::uint64_t count);

  /// Whether splice() may work.
  [[nodiscard]] bool splices() const noexcept { return splices_; }
  /// Whether splice() works on the thread: what it has moved is known only when it returns.
  [[nodiscard]] bool splices_unseen() const noexcept { return splices_ && how_ == how::blocking; }
  /// Moves up to `count` (1 or more) bytes from `socket`, which does not block, without looking at
  /// them: a pipe gets references to what the socket has received, a file or disk copies of it, and
  /// what is for the null device is dropped in the kernel.
  /// Waits for room, not for the socket.
  [[nodiscard]] awaitable<splice_result> splice(int socket, std::uint64_t count);

  /// How many of the last bytes of the stream, at most, the reader has not taken and may be
  /// references to pages of a file: these must not change. 0 where everything was copied,
  /// UINT64_MAX where it cannot be told. A reader that moves pages on by splice has taken them, and
  /// yet what happens to these pages may show downstream: they must not be overwritten at all, and
  /// be given back only as spill::give_back() does it.
  [[nodiscard]] std::uint64_t in_transit() const noexcept;

  /// Until a pipe is empty, or a socket's peer has received everything. What else there is takes
  /// what is written at once.
  [[nodiscard]] awaitable<error_code> wait_until_taken();

  /// Whether writes go to the worker's thread.
  [[nodiscard]] bool blocking() const noexcept { return how_ >= how::blocking_paced; }
  /// Whether it is the null device: what is written to it costs no call of the system.
  [[nodiscard]] bool discards() const noexcept { return how_ == how::discarded; }

 private:
  enum class how {
    discarded,       ///< the null device
    nonblocking,     ///< a pipe of our own: O_NONBLOCK
    socket,          ///< MSG_DONTWAIT, whatever the description's flags
    blocking_paced,  ///< a shared pipe, a terminal: in pieces that poll() promises
    blocking,        ///< a file, a disk, a device
  };
  [[nodiscard]] static unsigned type_of(int fd) noexcept;
  static how choose(int fd, bool shared);
  /// Of what was for the null device.
  [[nodiscard]] error_code dropped() const;
  /// Of a job's result, 0 or -errno.
  static error_code to_error(std::int64_t result);

  /// How the bytes of a file get there; only ever changed to `copied`.
  enum class file_way {
    spliced,    ///< to a pipe: by reference
    in_kernel,  ///< to a file or disk
    copied,     ///< through a buffer
  };
  static file_way choose_file_way(int fd, bool copy_only);
  using file_step = std::int64_t (file_source::*)();

  /// Repeats `step` on the thread while it says -EAGAIN, waiting for the descriptor in between.
  [[nodiscard]] awaitable<std::int64_t> run(file_step step);
  [[nodiscard]] awaitable<error_code> copy_file();
  /// Zeroes by reference; `count` is what is left of them, all of it where that does not work.
  [[nodiscard]] awaitable<error_code> tee_zeroes(std::uint64_t& count);
  /// Makes a call on the thread, and returns its result.
  [[nodiscard]] awaitable<std::int64_t> run_blocking(worker::job job);
  [[nodiscard]] bool paced() const noexcept { return how_ == how::blocking_paced; }
  [[nodiscard]] awaitable<splice_result> splice_to_file(int socket, std::uint64_t count);
  /// Bytes that a pipe or a socket still holds.
  [[nodiscard]] int held_bytes() const noexcept;
  /// Until the descriptor takes more, or `stop`.
  [[nodiscard]] awaitable<error_code> wait_for_room();

  int fd_;
  how how_;
  file_way file_way_;
  bool splices_;  ///< what a socket has received gets there in the kernel
  bool tees_;     ///< it is a pipe, and by reference is not forbidden
  discard discard_;
  std::shared_ptr<splice_pipe> splice_pipe_;  ///< to a file; the thread may keep it longer
  std::optional<zero_pipe> zeroes_;           ///< once there were some
  bool spliced_ = false;                      ///< pages of a file were handed on
  std::shared_ptr<file_source> source_;  ///< of the call under way; the thread may keep it longer
  fd_waiter& ready_;
  worker& thread_;
  const std::atomic<bool>& stop_;
};

}  // namespace nbdstream::io
#endif
