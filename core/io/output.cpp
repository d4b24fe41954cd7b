// SPDX-License-Identifier: BSD-3-Clause
#include "io/output.hpp"

namespace nbdstream::io {

void output::try_send() noexcept {
  if (!waiting()) return;
  const auto sent = to_.try_write(queue_);
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(sent));
}

awaitable<error_code> output::begin_message() {
  while (busy_) co_await idle_.wait();
  busy_ = true;
  sending_.swap(queue_);
  const auto error = co_await to_.write(sending_);
  sending_.clear();
  co_return error;
}

void output::end_message() {
  busy_ = false;
  idle_.notify_all();
}

awaitable<error_code> output::send() {
  error_code error;
  while (!error && (busy_ || !queue_.empty())) {
    error = co_await begin_message();
    end_message();
  }
  co_return error;
}

}  // namespace nbdstream::io
