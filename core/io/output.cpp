// SPDX-License-Identifier: BSD-3-Clause
#include "io/output.hpp"

namespace nbdstream::io {

void output::try_send() noexcept {
  if (!waiting() || broken_) return;
  const auto sent = to_.try_write(queue_);
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(sent));
}

awaitable<error_code> output::begin_message() {
  while (busy_) co_await idle_.wait();
  busy_ = true;
  if (broken_) co_return broken_;
  sending_.swap(queue_);
  broken_ = co_await to_.write(sending_);
  sending_.clear();
  co_return broken_;
}

awaitable<error_code> output::write(std::span<const std::byte> data) {
  if (!broken_) broken_ = co_await to_.write(data);
  co_return broken_;
}

void output::end_message() {
  busy_ = false;
  idle_.notify_all();
}

awaitable<error_code> output::send() {
  while (busy_ || (!broken_ && !queue_.empty())) {
    const auto error = co_await begin_message();
    end_message();
    if (error) break;
  }
  co_return broken_;
}

}  // namespace nbdstream::io
