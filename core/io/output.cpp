// SPDX-License-Identifier: BSD-3-Clause
#include "io/output.hpp"

#include <algorithm>
#include <utility>

namespace nbdstream::io {

void output::queued() noexcept {
  if (!waiting() || std::exchange(announced_, true)) return;
  queued_.notify_all();
}

void output::stop() noexcept {
  stopped_ = true;
  queued_.notify_all();
}

awaitable<error_code> output::run() {
  while (!stopped_ && !broken_) {
    if (!announced_) co_await queued_.wait();
    announced_ = false;
    // Who has sent it meanwhile has left nothing.
    if (!stopped_ && waiting()) co_await send();
  }
  co_return broken_;
}

awaitable<void> output::write_pieces(std::span<const std::byte> data) {
  while (!broken_ && !data.empty()) {
    const auto some = data.first(std::min(data.size(), piece));
    broken_ = co_await to_.write(some);
    data = data.subspan(some.size());
    ++pieces_sent_;
  }
}

awaitable<error_code> output::begin_message() {
  while (busy_) co_await idle_.wait();
  busy_ = true;
  if (broken_) co_return broken_;
  sending_.swap(queue_);
  co_await write_pieces(sending_);
  sending_.clear();
  co_return broken_;
}

awaitable<error_code> output::write(std::span<const std::byte> data) {
  co_await write_pieces(data);
  co_return broken_;
}

void output::end_message() {
  busy_ = false;
  idle_.notify_all();
  queued();
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
