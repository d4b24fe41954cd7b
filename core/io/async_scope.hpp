// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_ASYNC_SCOPE_HPP
#define NBDSTREAM_IO_ASYNC_SCOPE_HPP

#include "io/condition.hpp"

#include <cstddef>
#include <exception>
#include <functional>

namespace nbdstream::io {

/// Owns coroutines that run beside their owner, so that none outlives what it refers to: the owner
/// co_awaits join() on every path before the scope is destroyed.
///
/// Tasks are asked to end by whoever knows how (transport::close(), sink::cancel(), ...), not by
/// Asio's per-operation cancellation: that makes every later co_await of the task throw, those of
/// its cleanup among them.
class async_scope {
 public:
  /// What to do with an exception that leaves a task (bad_alloc, or a mistake of ours).
  using on_exception = std::function<void(std::exception_ptr)>;

  async_scope(asio::any_io_executor executor, on_exception failed)
      : executor_(std::move(executor)), failed_(std::move(failed)), ended_(executor_) {}
  ~async_scope();
  async_scope(const async_scope&) = delete;
  async_scope& operator=(const async_scope&) = delete;

  void spawn(awaitable<void> task);

  /// Until no task is left.
  [[nodiscard]] awaitable<void> join();

  [[nodiscard]] bool empty() const noexcept { return tasks_ == 0; }

 private:
  asio::any_io_executor executor_;
  on_exception failed_;
  condition ended_;
  std::size_t tasks_ = 0;
};

}  // namespace nbdstream::io
#endif
