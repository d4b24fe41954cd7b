// SPDX-License-Identifier: BSD-3-Clause
#include "io/async_scope.hpp"

#include <boost/asio/co_spawn.hpp>

#include <cassert>

namespace nbdstream::io {

async_scope::~async_scope() {
  assert(tasks_ == 0 && "join() the scope before it goes");
}

void async_scope::spawn(awaitable<void> task) {
  ++tasks_;
  try {
    asio::co_spawn(executor_, std::move(task), [this](std::exception_ptr error) {
      --tasks_;
      if (error) failed_(error);
      ended_.notify_all();
    });
  } catch (...) {
    --tasks_;  // out of memory: it has not begun
    throw;
  }
}

awaitable<void> async_scope::join() {
  while (tasks_ > 0) co_await ended_.wait();
}

}  // namespace nbdstream::io
