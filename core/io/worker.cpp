// SPDX-License-Identifier: BSD-3-Clause
#include "io/worker.hpp"

#include "io/quiet_thread.hpp"

#include <boost/asio/post.hpp>

#include <cerrno>
#include <optional>

namespace nbdstream::io {

constexpr auto interrupt_interval = std::chrono::milliseconds(100);

/// What loop and thread share; `job`, `stop` and `result` under the mutex.
struct worker::shared_state {
  std::mutex mutex;
  std::condition_variable woken;
  job call;
  bool stop = false;
  std::optional<std::int64_t> result;
};

worker::worker(const asio::any_io_executor& executor)
    : executor_(executor),
      changed_(std::make_shared<condition>(executor)),
      state_(std::make_shared<shared_state>()) {}

worker::~worker() {
  if (!thread_.joinable()) return;
  if (abandoned_) {
    thread_.detach();
    return;
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->woken.notify_one();
  thread_.join();
}

void worker::start() {
  thread_ = quiet_thread([state = state_, changed = changed_, executor = executor_] {
    std::unique_lock lock(state->mutex);
    for (;;) {
      state->woken.wait(lock, [&] { return state->stop || state->call; });
      if (!state->call) return;
      auto call = std::exchange(state->call, nullptr);
      lock.unlock();
      const auto result = call();
      lock.lock();
      state->result = result;
      asio::post(executor, [changed] { changed->notify_all(); });
    }
  });
}

awaitable<std::int64_t> worker::run(job call, clock::time_point give_up) {
  if (!thread_.joinable()) {
    try {
      start();
    } catch (const std::system_error&) {
      co_return -ENOMEM;  // EAGAIN, which means something else here
    }
  }
  busy_ = true;
  give_up_ = give_up;
  interrupt_ = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    state_->result.reset();
    state_->call = std::move(call);
  }
  state_->woken.notify_one();
  for (;;) {
    co_await changed_->wait(interrupt_ ? std::min(give_up_, clock::now() + interrupt_interval)
                                       : give_up_);
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->result) {
        busy_ = false;
        co_return *state_->result;
      }
    }
    if (clock::now() >= give_up_) {
      abandoned_ = true;
      co_return -ETIMEDOUT;
    }
    if (interrupt_) interrupt_();
  }
}

void worker::interrupt_until(clock::time_point give_up, std::function<void()> interrupt) {
  if (!busy_ || abandoned_) return;
  give_up_ = std::min(give_up_, give_up);
  interrupt_ = std::move(interrupt);
  changed_->notify_all();
}

}  // namespace nbdstream::io
