// SPDX-License-Identifier: BSD-3-Clause
#include "serve/reader_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace nbdstream::serve {

reader_pool::reader_pool(const asio::any_io_executor& executor, std::size_t threads,
                         log::logger& log)
    : log_(log), changed_(executor) {
  for (std::size_t i = 0; i < threads; ++i) {
    all_.push_back(std::make_unique<io::worker>(executor));
    unstarted_.push_back(all_.back().get());
  }
}

/// A quarter of the threads is for others.
bool reader_pool::is_next(const client& by) const noexcept {
  const auto share = std::max<std::size_t>(all_.size() * 3 / 4, 1);
  if (!has_thread() || by.running_ >= share) return false;
  return std::ranges::none_of(
      waiting_, [&](const client* c) { return c->running_ < by.running_ && !*c->called_off_; });
}

/// Returns whether it came; else there is nothing to do any more.
awaitable<bool> reader_pool::wait_for_turn(client& by) {
  if (by.waiting_++ == 0) waiting_.push_back(&by);
  while (!is_cancelled(by) && !is_next(by)) co_await changed_.wait();
  if (--by.waiting_ == 0) std::erase(waiting_, &by);
  co_return !is_cancelled(by);
}

awaitable<std::int64_t> reader_pool::run(client& by, io::worker::job job) {
  const auto began = std::make_shared<std::atomic<bool>>(false);
  for (;;) {
    const bool came = co_await wait_for_turn(by);
    if (!came) co_return -ECANCELED;
    auto& from = idle_.empty() ? unstarted_ : idle_;
    auto* const thread = from.back();
    from.pop_back();
    ++by.running_;
    if (has_thread()) changed_.notify_all();
    io::worker::job call = [job, began, gone = by.called_off()] {
      *began = true;
      return gone->load() ? std::int64_t{-ECANCELED} : job();
    };
    const auto result = co_await thread->run(std::move(call));
    --by.running_;
    const bool started = *began || result == -ECANCELED;
    (started ? idle_ : unstarted_).push_back(thread);
    if (!started) note_failed_start();
    changed_.notify_all();
    if (started || !short_of_threads_) co_return result;
  }
}

/// Without any thread the request fails, and the next one tries again.
void reader_pool::note_failed_start() {
  short_of_threads_ = unstarted_.size() < all_.size();
  if (std::exchange(told_, true)) return;
  log_.error("a thread to read with cannot be started; {}",
             short_of_threads_ ? "the other threads continue"
                               : "reads fail: allow this process or this user more threads");
}

void reader_pool::call_off(client& by) {
  *by.called_off_ = true;
  changed_.notify_all();
}

void reader_pool::abandon() {
  abandoned_ = true;
  for (const auto& thread : all_) thread->abandon();
  changed_.notify_all();
}

bool reader_pool::busy() const noexcept {
  return std::ranges::any_of(all_, [](const auto& thread) { return thread->busy(); });
}

}  // namespace nbdstream::serve
