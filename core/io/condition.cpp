// SPDX-License-Identifier: BSD-3-Clause
#include "io/condition.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace nbdstream::io {

awaitable<void> condition::wait(clock::time_point until) {
  waiter me(executor_, until);
  waiting_.push_back(me);
  co_await me.timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

awaitable<void> condition::wait_with_second_look(clock::time_point until) {
  co_await wait(until);
  if (clock::now() >= until) co_await wait(clock::now() + second_look_after);
}

void condition::notify_all() {
  for (auto& w : waiting_) w.timer.cancel();
}

void fair_mutex::turn::release() noexcept {
  auto* const of = std::exchange(of_, nullptr);
  if (!of) return;
  ++of->serving_;
  of->freed_.notify_all();
}

awaitable<fair_mutex::turn> fair_mutex::wait_and_enter() {
  const auto mine = next_number_++;
  while (serving_ != mine && !closed_) co_await freed_.wait();
  co_return closed_ ? turn() : turn(*this);
}

}  // namespace nbdstream::io
