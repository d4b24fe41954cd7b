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
///
/// A call that never returns keeps its thread, and run() waits with it; unless abandon() was
/// called, which needs a job that owns all that it uses. The process can then end only with
/// _exit(): see left_behind().
class worker {
 public:
  using job = std::function<std::int64_t()>;

  explicit worker(const asio::any_io_executor& executor);
  /// Waits for the thread, unless a call is still running on it: then the thread is left behind.
  ~worker();

  /// Runs `call` on the thread and returns its result. One run() at a time. Where it has not
  /// returned at `until`, or abandon() is called, returns -ETIMEDOUT or -ECANCELED while the call
  /// still runs: abandoned() is then true for good, and run() does nothing more.
  [[nodiscard]] awaitable<std::int64_t> run(job call,
                                            clock::time_point until = clock::time_point::max());

  /// Asks the running call to end: `interrupt` is called on this thread now and every 100 ms until
  /// the call returns. Nothing where no call is running.
  void interrupt(std::function<void()> interrupt);

  /// To be called on the thread when this is destroyed, after a call that is running then; nothing
  /// waits for it.
  void at_end(job last) { last_ = std::move(last); }

  /// Waits no longer for the running call, if there is one, nor makes another one. State: the jobs
  /// own what they use.
  void abandon();

  [[nodiscard]] bool busy() const noexcept { return busy_; }
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_; }

  /// Whether the thread of any worker of this process was left behind in a call: then destructors
  /// of static objects must not run beside it.
  [[nodiscard]] static bool left_behind() noexcept;

 private:
  struct shared_state;
  void start();

  asio::any_io_executor executor_;
  std::shared_ptr<condition> changed_;
  std::shared_ptr<shared_state> state_;
  std::thread thread_;
  job last_;
  std::function<void()> interrupt_;  ///< none while the running call is not to be interrupted
  bool busy_ = false;
  bool abandoned_ = false;
};

}  // namespace nbdstream::io
#endif
