// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FIFO_STREAM_LOCK_HPP
#define NBDSTREAM_SINKS_FIFO_STREAM_LOCK_HPP

#include <sys/stat.h>

#include <string>

#include "../medium/descriptor.hpp"

namespace nbdstream::fifo {

/// Lets one process at a time write a stream to a FIFO, from before it opens the write end until
/// after its reader has left.
///
/// A lock of the FIFO itself needs an open end of it, which would be the end of an empty stream to
/// a reader that meets it. So the lock is a name among the abstract Unix sockets that only one
/// process can have, made of the number of the FIFO. It ends with its process, leaves no file, and
/// tells who has it.
class stream_lock {
 public:
  /// Takes the lock of `fifo`, in place of that of another FIFO, or keeps it. False: another
  /// process has it. Without sockets there is no lock, and this is true.
  bool take(const struct stat& fifo);

  void release() noexcept;

  /// Whether the lock that was taken is that of `fifo`.
  [[nodiscard]] bool is_of(const struct stat& fifo) const noexcept;

  /// Who had it when take() said false, as in "process 4711".
  [[nodiscard]] std::string holder() const;

 private:
  [[nodiscard]] bool is_held_by_a_writer_of(const struct stat& fifo) noexcept;

  medium::descriptor socket_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  pid_t holder_ = 0;  ///< 0: not known
};

}  // namespace nbdstream::fifo

#endif
