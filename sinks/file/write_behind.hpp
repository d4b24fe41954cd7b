// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_FILE_WRITE_BEHIND_HPP
#define NBDSTREAM_SINKS_FILE_WRITE_BEHIND_HPP

#include <fcntl.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <nbdstream/sink.hpp>
#include <stop_token>
#include <thread>

#include "../medium/descriptor.hpp"

namespace nbdstream::file {

/// Sends a file to its disk while the file is being written, on a thread of its own, and drops from
/// the system's cache what is on the disk. So a commit has little left to wait for, and the stream
/// leaves memory to others. A disk that is slower than the stream slows it down no earlier than the
/// system does.
class write_behind {
 public:
  /// `fd`: open for writing, at its beginning. Its owner writes to it in order, and may close it
  /// after stop() or finish(). Where there is no thread, or no /proc, nothing is written behind.
  write_behind(sink_host host, int fd);

  /// Has the thread end soon. It uses `fd` no more.
  void stop() noexcept;

  /// Waits until the thread has ended, which is at most in one call of the system, for 8 MiB.
  /// Returns how many of the first bytes are on the disk.
  [[nodiscard]] std::uint64_t finish() noexcept;

  /// Why bytes did not reach the disk: an errno, or 0. The host is woken when it changes. Any
  /// thread.
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  void run(const std::stop_token& stop);
  off64_t written(const std::stop_token& stop);
  bool advance(const std::stop_token& stop);
  bool send_piece(const std::stop_token& stop);

  sink_host host_;
  const int fd_;
  medium::descriptor file_;  ///< has an offset of its own, and is told of errors beside `fd_`
  off64_t sent_ = 0;         ///< so far the disk has begun to write
  off64_t arrived_ = 0;      ///< so far everything is on the disk
  std::deque<off64_t> on_the_way_;  ///< where pieces begin that the disk may not have yet
  std::atomic<int> error_ = 0;
  std::mutex mutex_;  ///< held to use `fd_`, and to stop
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace nbdstream::file

#endif
