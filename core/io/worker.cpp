// SPDX-License-Identifier: BSD-3-Clause
#include "io/worker.hpp"

#include "io/thread_with_signals_blocked.hpp"

#include <boost/asio/post.hpp>

#include <cerrno>
#include <optional>

namespace nbdstream::io {

namespace {

constexpr auto interrupt_interval = std::chrono::milliseconds(100);

/// Of the loop's thread, where workers are destroyed.
bool any_left_behind = false;

}  // namespace

/// What loop and thread share; all under the mutex.
struct worker::shared_state {
  std::mutex mutex;
  std::condition_variable woken;
  job call;
  bool stop = false;
  job last;
  std::optional<std::int64_t> result;
};

worker::worker(const asio::any_io_executor& executor)
    : executor_(executor),
      changed_(std::make_shared<condition>(executor)),
      state_(std::make_shared<shared_state>()) {}

worker::~worker() {
  if (!thread_.joinable()) return;
  any_left_behind = any_left_behind || busy_;
  const bool wait = !busy_ && !last_;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
    state_->last = std::move(last_);
  }
  state_->woken.notify_one();
  if (wait) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void worker::start() {
  thread_ = thread_with_signals_blocked([state = state_, changed = changed_, executor = executor_] {
    std::unique_lock lock(state->mutex);
    for (;;) {
      state->woken.wait(lock, [&] { return state->stop || state->call; });
      if (!state->call) break;
      auto call = std::exchange(state->call, nullptr);
      lock.unlock();
      const auto result = call();
      call = nullptr;  // what only the call kept goes on this thread
      lock.lock();
      state->result = result;
      // Later there may be no loop.
      if (!state->stop) asio::post(executor, [changed] { changed->notify_all(); });
    }
    if (state->last) state->last();
  });
}

awaitable<std::int64_t> worker::run(job call, clock::time_point until) {
  if (abandoned_) co_return -ECANCELED;
  if (!thread_.joinable()) {
    try {
      start();
    } catch (const std::system_error&) {
      co_return -ENOMEM;  // EAGAIN, which means something else here
    }
  }
  bool looked_again = false;
  busy_ = true;
  interrupt_ = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    state_->result.reset();
    state_->call = std::move(call);
  }
  state_->woken.notify_one();
  for (;;) {
    co_await changed_->wait(interrupt_ ? std::min(until, clock::now() + interrupt_interval)
                                       : until);
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->result) {
        busy_ = false;
        co_return *state_->result;
      }
    }
    if (abandoned_) co_return -ECANCELED;
    if (clock::now() >= until) {
      // After a long stop of the process the result may be there a moment later.
      if (std::exchange(looked_again, true)) {
        abandoned_ = true;
        co_return -ETIMEDOUT;
      }
      until = clock::now() + second_look_after;
    }
    if (interrupt_) interrupt_();
  }
}

void worker::interrupt(std::function<void()> interrupt) {
  if (!busy_ || abandoned_) return;
  interrupt_ = std::move(interrupt);
  changed_->notify_all();
}

void worker::abandon() {
  abandoned_ = true;
  changed_->notify_all();
}

bool worker::left_behind() noexcept {
  return any_left_behind;
}

}  // namespace nbdstream::io
