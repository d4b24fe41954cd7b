// SPDX-License-Identifier: BSD-3-Clause
#include "io/watchdog.hpp"

namespace nbdstream::io {

void watchdog::expect_within(clock::duration time) {
  deadline_ = clock::now() + time;
  if (deadline_ < asleep_until_) changed_.notify_all();
}

awaitable<void> watchdog::run() {
  while (!stopped_) {
    if (clock::now() >= deadline_) {
      rest();
      expired_();
    }
    asleep_until_ = deadline_;
    co_await changed_.wait(asleep_until_);
  }
}

void watchdog::stop() {
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace nbdstream::io
