// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_WATCHDOG_HPP
#define NBDSTREAM_IO_WATCHDOG_HPP

#include "io/condition.hpp"

namespace nbdstream::io {

/// One deadline that progress pushes forward. Pushing is cheap: no timer is touched unless the
/// deadline moves nearer.
class watchdog {
 public:
  explicit watchdog(const asio::any_io_executor& executor) : changed_(executor) {}

  void expect_within(clock::duration time);
  void rest() noexcept { deadline_ = clock::time_point::max(); }

  /// Until the deadline has passed (true), also at a second look, or stop() was called (false).
  [[nodiscard]] awaitable<bool> expired();
  void stop();

 private:
  condition changed_;
  clock::time_point deadline_ = clock::time_point::max();
  clock::time_point asleep_until_ = clock::time_point::max();
  bool stopped_ = false;
};

}  // namespace nbdstream::io
#endif
