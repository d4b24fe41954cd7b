// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_CREW_HPP
#define NBDSTREAM_SINKS_S3_CREW_HPP

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "../medium/descriptor.hpp"
#include "attempts.hpp"
#include "client.hpp"
#include "upload.hpp"

namespace nbdstream::s3 {

/// The threads that do what uploads want to be done. Each sends one request at a time, so there are
/// as many connections as threads.
class crew {
 public:
  /// `idle`: called on a thread that has had nothing to do for a while, and when a stream is over.
  crew(client& by, std::function<void()> idle);
  /// Calls all jobs back, and waits for them.
  ~crew();
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  /// A stream begins. Throws sink_error where the system gives no more threads.
  void begin();
  /// It is over: connections are closed, and nobody keeps memory.
  void end() noexcept;

  /// Tells an upload what has happened, or looks at it; then does what it wants to be done. The
  /// upload is kept until all of that is done.
  template <class Call>
  auto with(const std::shared_ptr<upload>& one, Call&& call) {
    const std::lock_guard lock(mutex_);
    if constexpr (std::is_void_v<decltype(call(*one))>) {
      call(*one);
      take_jobs(one);
    } else {
      auto result = call(*one);
      take_jobs(one);
      return result;
    }
  }

  /// An eventfd that can be read after any job is done; look at the upload after drain().
  [[nodiscard]] int event() const noexcept { return event_.get(); }
  void drain() const noexcept;

 private:
  struct task;
  class worker;

  void take_jobs(const std::shared_ptr<upload>& one);
  void work(worker& self);
  void be_idle(worker& self, std::unique_lock<std::mutex>& lock, time_point until);
  [[nodiscard]] std::list<task>::iterator next_ready(time_point& until);
  void finish(task& t, const outcome& result);
  void wake_all() noexcept;

  client& client_;
  std::function<void()> idle_;
  medium::descriptor event_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<task> tasks_;
  throttle throttle_;
  std::minstd_rand dice_{std::random_device{}()};
  bool streaming_ = false;
  std::atomic<bool> stopping_ = false;
  std::vector<std::unique_ptr<worker>> workers_;
};

}  // namespace nbdstream::s3
#endif
