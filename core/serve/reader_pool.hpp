// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVE_READER_POOL_HPP
#define NBDSTREAM_SERVE_READER_POOL_HPP

#include "io/worker.hpp"
#include "log/log.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace nbdstream::serve {

/// Threads that read from a source, so that the loop never waits for a disk or a network. One
/// client never has all of them, and of those who wait the one that has the fewest is next.
class reader_pool {
 public:
  /// One whose requests are work for the pool. Used on the loop, but for the flag.
  class client {
   public:
    using flag = std::shared_ptr<const std::atomic<bool>>;
    /// Set once nobody waits for its answers any more: jobs look at it. A job may outlive this.
    [[nodiscard]] flag called_off() const noexcept { return called_off_; }

   private:
    friend reader_pool;
    std::shared_ptr<std::atomic<bool>> called_off_ = std::make_shared<std::atomic<bool>>(false);
    std::size_t running_ = 0;
    std::size_t waiting_ = 0;
  };

  /// `threads`: 2 or more, which are started as they are needed. `log` is borrowed.
  reader_pool(const asio::any_io_executor& executor, std::size_t threads, log::logger& log);

  /// Runs `job`, which owns all that it uses, on a thread that is free, waiting for one. Returns
  /// its result; or -ECANCELED where `by` is called off before it begins, and, perhaps while it
  /// still runs, once abandon() was called; or -ENOMEM where no thread can be started. `by` is
  /// borrowed.
  [[nodiscard]] awaitable<std::int64_t> run(client& by, io::worker::job job);

  /// What this client still waits for is not begun; what runs may end early.
  void call_off(client& by);
  /// Waits no longer for what runs, and runs nothing more: a disk that hangs keeps nobody.
  void abandon();
  /// Whether a job runs, be it one that nobody waits for.
  [[nodiscard]] bool busy() const noexcept;

 private:
  [[nodiscard]] bool is_cancelled(const client& by) const noexcept {
    return abandoned_ || *by.called_off_;
  }
  [[nodiscard]] bool has_thread() const noexcept {
    return !idle_.empty() || (!unstarted_.empty() && !short_of_threads_);
  }
  [[nodiscard]] bool is_next(const client& by) const noexcept;
  [[nodiscard]] awaitable<bool> wait_for_turn(client& by);
  void note_failed_start();

  log::logger& log_;
  std::vector<std::unique_ptr<io::worker>> all_;
  std::vector<io::worker*> idle_;       ///< free, and with a thread
  std::vector<io::worker*> unstarted_;  ///< free, and without one
  std::vector<client*> waiting_;
  io::condition changed_;
  bool short_of_threads_ = false;  ///< one could not be started: those that there are must do
  bool told_ = false;              ///< the log, of that
  bool abandoned_ = false;
};

}  // namespace nbdstream::serve
#endif
