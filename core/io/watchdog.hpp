// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_WATCHDOG_HPP
#define NBDSTREAM_IO_WATCHDOG_HPP

#include "io/condition.hpp"

#include <functional>

namespace nbdstream::io {

/// One deadline that progress pushes forward. Pushing is cheap: no timer is touched unless the
/// deadline moves nearer.
class watchdog {
 public:
  /// `expired` is called from run(), once for each deadline that passes.
  watchdog(const asio::any_io_executor& executor, std::function<void()> expired)
      : expired_(std::move(expired)), changed_(executor) {}

  void expect_within(clock::duration time);
  void rest() noexcept { deadline_ = clock::time_point::max(); }

  /// Watches until stop().
  [[nodiscard]] awaitable<void> run();
  void stop();

 private:
  std::function<void()> expired_;
  condition changed_;
  clock::time_point deadline_ = clock::time_point::max();
  clock::time_point asleep_until_ = clock::time_point::max();
  bool stopped_ = false;
};

}  // namespace nbdstream::io
#endif
