// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/caller.hpp"

#include "config/parse.hpp"
#include "io/thread_with_signals_blocked.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace nbdstream::conformance {
namespace {

using namespace std::chrono_literals;

constexpr auto interrupt_interval = 100ms;
constexpr auto longest_on_host = 100ms;

/// How long this thread was ready to run, but others had the processor: not the module's fault.
clock::duration time_in_queue() {
  // The host's thread is the only one that asks, so the file stays its own.
  static const io::unique_fd file(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
  std::array<char, 96> text{};
  const auto size = file ? ::pread(file.get(), text.data(), text.size(), 0) : -1;
  if (size <= 0) return 0ns;
  const char* const end = text.data() + size;
  const char* const second = std::find<const char*>(text.data(), end, ' ');
  std::int64_t waited = 0;
  if (second != end) std::from_chars(second + 1, end, waited);
  return std::chrono::nanoseconds(waited);
}

/// What this thread has had of the processor, and how often it has slept.
struct usage {
  clock::duration processor;
  long sleeps;
};

usage usage_now() {
  timespec time{};
  rusage used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  ::getrusage(RUSAGE_THREAD, &used);
  return {std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec),
          used.ru_nvcsw};
}

/// Measures how long a call keeps this thread from others, however busy the machine is.
class stopwatch {
 public:
  [[nodiscard]] clock::duration read() const {
    const auto used = usage_now();
    // What never slept was either computing or kept from it.
    if (used.sleeps == before_.sleeps) return used.processor - before_.processor;
    return clock::now() - began_ - (time_in_queue() - queued_);
  }

 private:
  usage before_ = usage_now();
  clock::duration queued_ = time_in_queue();
  clock::time_point began_ = clock::now();
};

}  // namespace

std::string in_words(clock::duration time) {
  return config::format_duration(std::chrono::round<std::chrono::milliseconds>(time));
}

caller::~caller() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::int64_t caller::call_on_loop(std::string_view name, const call& c, blocking how) {
  report_.send(kind::calling, name);
  const stopwatch watch;
  const auto result = c();
  const auto took = watch.read();
  report_.send(kind::returned);
  if (how == blocking::forbidden && took > longest_on_host) {
    report_.violation(fmt::format("{} has blocked the host's thread for {}", name, in_words(took)),
                      contract::must_not_block, kind::slow);
  }
  return result;
}

void caller::start() {
  thread_ = io::thread_with_signals_blocked([this] {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || next_; });
      if (stop_) return;
      const auto& c = *std::exchange(next_, nullptr);
      lock.unlock();
      const auto result = c();
      lock.lock();
      result_ = result;
      changed_.notify_all();
    }
  });
}

std::optional<std::int64_t> caller::result_by(clock::time_point until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [&] { return result_.has_value(); });
  return std::exchange(result_, std::nullopt);
}

std::int64_t caller::call_on_thread(std::string_view name, const call& c,
                                    const std::function<void()>& interrupt,
                                    std::optional<clock::duration> patience) {
  if (!thread_.joinable()) start();
  report_.send(kind::watching, name);
  {
    const std::lock_guard lock(mutex_);
    next_ = &c;
  }
  changed_.notify_all();
  const auto late = clock::now() + patience.value_or(grace_);
  auto result = patience == 0ns ? std::nullopt : result_by(late);
  const bool was_late = !result;
  if (was_late) result = interrupt_until(name, interrupt, late + grace_);
  report_.send(kind::returned);
  if (was_late && !patience) {
    report_.violation(fmt::format("{} had not returned after {}, and had to be interrupted "
                                  "(--grace gives it longer)",
                                  name, in_words(grace_)),
                      contract::none);
    throw check_aborted();
  }
  return *result;
}

std::int64_t caller::interrupt_until(std::string_view name, const std::function<void()>& interrupt,
                                     clock::time_point deadline) {
  while (clock::now() < deadline) {
    if (interrupt) {
      report_.send(kind::calling, "interrupt");
      interrupt();
      report_.send(kind::watching, name);
    }
    const auto result = result_by(std::min(deadline, clock::now() + interrupt_interval));
    if (result) return *result;
  }
  report_.violation(
      fmt::format("{} has not returned within {} after it was {}", name, in_words(grace_),
                  interrupt ? "interrupted" : "late; the module has no interrupt"),
      contract::interrupt);
  throw stuck();
}

}  // namespace nbdstream::conformance
