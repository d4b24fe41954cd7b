// SPDX-License-Identifier: BSD-3-Clause
//
// Every wait of a test ends: with what it waited for, or at a deadline.
#ifndef NBDSTREAM_TESTS_SUPPORT_DEADLINE_HPP
#define NBDSTREAM_TESTS_SUPPORT_DEADLINE_HPP

#include <algorithm>
#include <chrono>
#include <thread>

namespace nbdstream::test {

/// How long a test waits for what must happen, on a machine as busy as may be.
inline constexpr std::chrono::milliseconds patience{20'000};

class deadline {
 public:
  explicit deadline(std::chrono::milliseconds after = patience)
      : end_(std::chrono::steady_clock::now() + after) {}

  [[nodiscard]] bool passed() const { return std::chrono::steady_clock::now() >= end_; }

  /// What is left of it, as poll(2) wants it; 0 when it has passed.
  [[nodiscard]] int poll_timeout() const {
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(end_ - std::chrono::steady_clock::now());
    return static_cast<int>(std::max(left, milliseconds{0}).count());
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

/// Whether `condition` comes true before the deadline; asks again every few milliseconds, for what
/// has no descriptor to wait on.
template <class Condition>
[[nodiscard]] bool eventually(Condition&& condition, std::chrono::milliseconds within = patience) {
  const deadline end(within);
  while (!condition()) {
    if (end.passed()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return true;
}

}  // namespace nbdstream::test
#endif
