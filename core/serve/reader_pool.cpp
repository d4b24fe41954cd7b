// SPDX-License-Identifier: BSD-3-Clause
#include "serve/reader_pool.hpp"

#include <cerrno>
#include <utility>

namespace nbdstream::serve {

reader_pool::reader_pool(const asio::any_io_executor& executor, std::size_t threads)
    : freed_(executor) {
  for (std::size_t i = 0; i < threads; ++i) {
    all_.push_back(std::make_unique<io::worker>(executor));
    free_.push_back(all_.back().get());
  }
}

awaitable<std::int64_t> reader_pool::run(io::worker::job job) {
  while (free_.empty() && !abandoned_) co_await freed_.wait();
  if (abandoned_) co_return -ECANCELED;
  auto* const thread = free_.back();
  free_.pop_back();
  const auto result = co_await thread->run(std::move(job));
  free_.push_back(thread);
  freed_.notify_all();
  co_return result;
}

void reader_pool::abandon() {
  abandoned_ = true;
  for (const auto& thread : all_) thread->abandon();
  freed_.notify_all();
}

}  // namespace nbdstream::serve
