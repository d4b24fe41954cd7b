// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_WORKER_HPP
#define NBDSTREAM_IO_WORKER_HPP

#include "io/condition.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace nbdstream::io {

/// A thread for calls that block, one at a time, while the loop goes on. The thread is started by
/// the first call.
class worker {
 public:
  using job = std::function<std::int64_t()>;

  explicit worker(const asio::any_io_executor& executor);
  /// Waits for the thread, unless a call was abandoned: then the thread keeps what it needs alive,
  /// and the process must end with _exit().
  ~worker();

  /// Runs `call` on the thread and returns its result. One run() at a time. If it has not returned
  /// at `give_up` (or at what interrupt_until() says later), returns -ETIMEDOUT while the call
  /// still runs: abandoned() is then true for good, and run() must not be called again.
  [[nodiscard]] awaitable<std::int64_t> run(job call,
                                            clock::time_point give_up = clock::time_point::max());

  /// Asks the running call to end: `interrupt` is called on this thread now and every 100 ms until
  /// the call returns or `give_up` has come. Nothing where no call is running.
  void interrupt_until(clock::time_point give_up, std::function<void()> interrupt);

  [[nodiscard]] bool busy() const noexcept { return busy_; }
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_; }

 private:
  struct shared_state;
  void start();

  asio::any_io_executor executor_;
  std::shared_ptr<condition> changed_;
  std::shared_ptr<shared_state> state_;
  std::thread thread_;
  std::function<void()> interrupt_;  ///< none while the running call is not to be interrupted
  clock::time_point give_up_ = clock::time_point::max();
  bool busy_ = false;
  bool abandoned_ = false;
};

}  // namespace nbdstream::io
#endif
