// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RECEIPT_WRITER_HPP
#define NBDSTREAM_RECEIPT_WRITER_HPP

#include "io/worker.hpp"
#include "log/context.hpp"
#include "receipt/file.hpp"
#include "sink/sink.hpp"

#include <functional>
#include <memory>
#include <string>

namespace nbdstream::receipt {

/// Writes the receipt of one stream, without ever blocking the loop: begin(), prepare(), finish();
/// or discard() at any point. One call at a time, but for abandon().
///
/// No receipt, no commit: the receipt is on the disk before the sink's commit, but for what that
/// tells, and gets its name after it.
class writer {
 public:
  /// `timeout`: what the disk may take for a call. what `log` writes to is borrowed.
  writer(const asio::any_io_executor& executor, const std::string& path,
         io::clock::duration timeout, log::context log);

  /// Before the stream: an older receipt is removed.
  [[nodiscard]] awaitable<sink::failure> begin();
  [[nodiscard]] awaitable<sink::failure> prepare(std::string text);
  /// State: prepare() has succeeded, and the sink has committed.
  [[nodiscard]] awaitable<sink::failure> finish(std::string text);
  /// Nothing of it stays.
  [[nodiscard]] awaitable<void> discard();

  /// Whatever is under way returns operation_aborted now.
  void abandon();

 private:
  using call = std::function<std::int64_t(file&)>;
  [[nodiscard]] awaitable<sink::failure> run(call c, const char* what);
  void leave_behind();

  std::shared_ptr<file> file_;  ///< a call that hangs keeps it
  io::clock::duration timeout_;
  log::context log_;
  io::worker thread_;
};

}  // namespace nbdstream::receipt
#endif
