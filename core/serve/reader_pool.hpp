// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVE_READER_POOL_HPP
#define NBDSTREAM_SERVE_READER_POOL_HPP

#include "io/worker.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace nbdstream::serve {

/// Threads that read from a source, so that the loop never waits for a disk or a network.
class reader_pool {
 public:
  reader_pool(const asio::any_io_executor& executor, std::size_t threads);

  /// Runs `job`, which owns all that it uses, on a thread that is free, waiting for one. Returns
  /// its result; or -ECANCELED, perhaps while it still runs, once abandon() was called.
  [[nodiscard]] awaitable<std::int64_t> run(io::worker::job job);

  /// Waits no longer for what runs, and runs nothing more: a disk that hangs keeps nobody.
  void abandon();

 private:
  std::vector<std::unique_ptr<io::worker>> all_;
  std::vector<io::worker*> free_;
  io::condition freed_;
  bool abandoned_ = false;
};

}  // namespace nbdstream::serve
#endif
