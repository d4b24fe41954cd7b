// SPDX-License-Identifier: BSD-3-Clause
#include "io/watchdog.hpp"

namespace nbdstream::io {
void watchdog::expect_within(clock::duration time) {
  deadline_ = clock::now() + time;
  if (deadline_ < asleep_until_) changed_.notify_all();
}

awaitable<bool> watchdog::expired() {
  auto passed = clock::time_point::max();  // a deadline that has passed once
  while (!stopped_) {
    const bool late = clock::now() >= deadline_;
    if (late && passed == deadline_) {
      rest();
      co_return true;
    }
    passed = late ? deadline_ : clock::time_point::max();
    asleep_until_ = late ? clock::now() + second_look_after : deadline_;
    co_await changed_.wait(asleep_until_);
  }
  co_return false;
}

void watchdog::stop() {
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace nbdstream::io
