// SPDX-License-Identifier: BSD-3-Clause
//
// Makes the calls on one sink as a host does: on this thread, or, where the module says that they
// may block, on one that belongs to the sink.
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

/// The check cannot go on: what went wrong was reported.
struct broken_off {};
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
  /// Makes a call on this thread. Reports it where it blocks, which is `forbidden` as a rule.
  std::int64_t here(std::string_view name, const call& c, blocking how = blocking::forbidden);

  /// Makes a call on the sink's own thread. It is interrupted after `patience`; being late by
  /// itself breaks the check off. `interrupt` may be empty.
  std::int64_t apart(std::string_view name, const call& c, const std::function<void()>& interrupt,
                     std::optional<clock::duration> patience);

 private:
  void start();
  /// Interrupts the call until it returns.
  std::int64_t insist(std::string_view name, const std::function<void()>& interrupt,
                      clock::time_point give_up);
  /// What the call returned, where it has by `until`.
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
