// SPDX-License-Identifier: BSD-3-Clause
//
// Makes the calls on one sink as a host does: on this thread, which stands for the host's loop; or,
// if the module declares that they may block, on a thread that belongs to the sink.
#ifndef NBDSTREAM_CONFORMANCE_CALLER_HPP
#define NBDSTREAM_CONFORMANCE_CALLER_HPP

#include "conformance/channel.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

namespace nbdstream::conformance {

using clock = std::chrono::steady_clock;

/// The check cannot continue; the reason was reported.
struct check_aborted {};
/// A call does not return at all: the process must end with _exit().
struct stuck {};

class caller {
 public:
  using call = std::function<std::int64_t()>;

  /// `grace`: how long a call may take, and how long it may take again once it is interrupted.
  caller(const channel& report, clock::duration grace) : report_(report), grace_(grace) {}
  ~caller();
  caller(const caller&) = delete;
  caller& operator=(const caller&) = delete;

  enum class blocking { forbidden, briefly };
  /// Makes a call on this thread. If the call blocks and that is `forbidden`, reports it.
  std::int64_t call_on_loop(std::string_view name, const call& c,
                            blocking how = blocking::forbidden);

  /// Makes a call on the sink's own thread. It is interrupted after `patience`. Without `patience`
  /// it is interrupted after the grace period, and the check is aborted. `interrupt` may be empty.
  std::int64_t call_on_thread(std::string_view name, const call& c,
                              const std::function<void()>& interrupt,
                              std::optional<clock::duration> patience);

 private:
  void start();
  /// Interrupts the call again and again until it returns; throws `stuck` at the deadline.
  std::int64_t interrupt_until(std::string_view name, const std::function<void()>& interrupt,
                               clock::time_point deadline);
  /// The result of the call if it has returned by `until`.
  std::optional<std::int64_t> result_by(clock::time_point until);

  const channel& report_;
  clock::duration grace_;
  std::thread thread_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  const call* next_ = nullptr;
  std::optional<std::int64_t> result_;
  bool stop_ = false;
};

/// "5s", "250ms"
[[nodiscard]] std::string in_words(clock::duration time);

}  // namespace nbdstream::conformance
#endif
