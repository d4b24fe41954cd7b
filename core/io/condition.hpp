// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting for something that another coroutine of the same thread does.
#ifndef NBDSTREAM_IO_CONDITION_HPP
#define NBDSTREAM_IO_CONDITION_HPP

#include "io/error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <chrono>
#include <cstdint>
#include <utility>

namespace nbdstream::io {

using clock = std::chrono::steady_clock;

/// A process that was stopped for long sees its deadlines pass before it sees what has come
/// meanwhile. So a deadline that has passed is looked at again after this time, before it counts.
constexpr auto second_look_after = std::chrono::milliseconds(50);

/// Like std::condition_variable: state changes are announced, and who waits looks again. One
/// thread. Must outlive those who wait.
class condition {
 public:
  explicit condition(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  /// Until notify_all(), or `until`. Also returns when the coroutine is cancelled; the caller's
  /// loop must then see that for itself.
  [[nodiscard]] awaitable<void> wait(clock::time_point until = clock::time_point::max());

  /// The same, but where `until` has passed it waits `second_look_after` longer.
  [[nodiscard]] awaitable<void> wait_with_second_look(clock::time_point until);

  /// Never resumes anybody before it returns.
  void notify_all();

 private:
  /// One who waits, in the frame of wait(): to wait allocates nothing.
  struct waiter : boost::intrusive::list_base_hook<
                      boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    waiter(const asio::any_io_executor& executor, clock::time_point until)
        : timer(executor, until) {}
    asio::steady_timer timer;
  };

  asio::any_io_executor executor_;
  boost::intrusive::list<waiter, boost::intrusive::constant_time_size<false>> waiting_;
};

/// The right of one coroutine at a time, in order of arrival.
class fair_mutex {
 public:
  explicit fair_mutex(const asio::any_io_executor& executor) : freed_(executor) {}

  /// Held until it is destroyed or released.
  class turn {
   public:
    turn() = default;
    explicit turn(fair_mutex& of) noexcept : of_(&of) {}
    turn(turn&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    turn& operator=(turn&& other) noexcept {
      if (this != &other) {
        release();
        of_ = std::exchange(other.of_, nullptr);
      }
      return *this;
    }
    ~turn() { release(); }
    void release() noexcept;
    explicit operator bool() const noexcept { return of_ != nullptr; }

   private:
    fair_mutex* of_ = nullptr;
  };

  [[nodiscard]] bool free() const noexcept { return serving_ == next_number_ && !closed_; }
  /// State: free().
  [[nodiscard]] turn enter() noexcept {
    ++next_number_;
    return turn(*this);
  }
  /// Waits for its turn, however long that takes; no turn once it is closed.
  [[nodiscard]] awaitable<turn> wait_and_enter();
  /// From now on no coroutine gets a turn, and those that wait for one go on without.
  void close() {
    closed_ = true;
    freed_.notify_all();
  }

 private:
  std::uint64_t next_number_ = 0;
  std::uint64_t serving_ = 0;
  bool closed_ = false;
  condition freed_;
};

}  // namespace nbdstream::io
#endif
