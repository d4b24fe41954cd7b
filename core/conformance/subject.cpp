// SPDX-License-Identifier: BSD-3-Clause
//
// The calls in general: who makes them, and what a sink may answer.
#include "conformance/subject.hpp"

#include <fcntl.h>
#include <poll.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace nbdstream::conformance {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t largest_errno = 4095;
constexpr int most_repeats = 1500;  // within a second

bool blocks(const nbdstream_sink_table& table, nbdstream_sink_blocking phase) {
  return (table.blocking & static_cast<std::uint32_t>(phase)) != 0;
}

std::string result_text(std::int64_t result) {
  if (result >= 0) return fmt::format("{}", result);
  if (result < -largest_errno) return fmt::format("{}, which is no errno", result);
  const int error = static_cast<int>(-result);
  const char* const known = error == ENOTSUP ? "ENOTSUP" : ::strerrorname_np(error);
  return fmt::format("-{} ({})", known ? known : "?", std::strerror(error));
}

/// `woken` becomes readable where the module has called wake().
void wait_as_told(const nbdstream_wait& wait, int woken, clock::time_point until) {
  std::chrono::nanoseconds left = std::max<clock::duration>(until - clock::now(), 0ns);
  if (wait.timeout_ns >= 0) left = std::min(left, std::chrono::nanoseconds(wait.timeout_ns));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timespec timeout{seconds.count(), (left - seconds).count()};
  std::array<pollfd, 2> any{{{wait.fd, static_cast<short>(wait.events), 0}, {woken, POLLIN, 0}}};
  ::ppoll(any.data(), any.size(), &timeout, nullptr);
}

std::string_view hint(std::string_view call) {
  if (call == "open") return ": is the other side there?";
  return ": is the other side reading?";
}

}  // namespace

void subject::complain(std::string_view what, contract::sentence broken, kind how) const {
  if (stream_ == 0) return setup_.report.violation(what, broken, how);
  setup_.report.violation(fmt::format("stream {}, after {} bytes: {}", stream_, sent_.length, what),
                          broken, how);
}

void subject::fail(std::string_view name, std::int64_t result, contract::sentence broken) {
  std::string explanation;
  {
    const std::lock_guard lock(mutex_);
    explanation = std::exchange(explanation_, {});
  }
  if (!explanation.empty()) explanation = ": " + explanation;
  const bool refused = result == -EEXIST && (name == "create" || name == "open");
  complain(fmt::format("{} said {}{}", name, result_text(result), explanation), broken,
           refused ? kind::refused : kind::violation);
  throw check_aborted();
}

std::int64_t subject::make(std::string_view name, nbdstream_sink_blocking phase, const call& c,
                           call_mode how, nbdstream_wait& wait, std::optional<int>& asked) {
  const call whole = [&] {
    calling_ = std::this_thread::get_id();
    const auto result = c();
    if (result == -EAGAIN && table_.wait_for) asked = table_.wait_for(self_, &wait);
    calling_ = std::thread::id();
    return result;
  };
  wait = {};
  wait.struct_size = sizeof wait;
  wait.fd = -1;
  wait.timeout_ns = -1;
  if (!blocks(table_, phase)) return caller_->call_on_loop(name, whole);
  std::function<void()> interrupt;
  if (table_.interrupt) interrupt = [&] { table_.interrupt(self_); };
  return caller_->call_on_thread(name, whole, interrupt, how.interrupted);
}

void subject::check_wait(std::string_view name, const nbdstream_wait& wait,
                         std::optional<int> asked) {
  const auto abort_check = [&](std::string_view what, contract::sentence broken) {
    complain(fmt::format("{} said -EAGAIN, but {}", name, what), broken);
    throw check_aborted();
  };
  if (!table_.wait_for) abort_check("there is no wait_for", contract::wait_for_is_there);
  if (*asked < 0)
    abort_check(fmt::format("wait_for said {}", result_text(*asked)), contract::repeated);
  if (wait.fd < 0 && wait.timeout_ns < 0)
    abort_check("wait_for named neither a descriptor nor a time", contract::wait_names_something);
  if (wait.fd >= 0 && ::fcntl(wait.fd, F_GETFD) < 0)
    abort_check(fmt::format("wait_for named {}, which is no open descriptor", wait.fd),
                contract::wait_names_something);
  if ((wait.events & ~static_cast<std::uint32_t>(POLLIN | POLLOUT | POLLPRI)) != 0)
    abort_check(fmt::format("wait_for named the events {:#x}", wait.events), contract::wait_events);
}

std::int64_t subject::perform(std::string_view name, nbdstream_sink_blocking phase, const call& c,
                              call_mode how) {
  if (may_check_ && was_woken()) check();
  const auto began = clock::now();
  const auto until = began + setup_.grace;
  bool told = false;
  may_check_ = false;
  for (int repeats = 0;; ++repeats) {
    nbdstream_wait wait{};
    std::optional<int> asked;
    const auto result = make(name, phase, c, how, wait, asked);
    if (result < -largest_errno) fail(name, result, contract::results);
    if (result != -EAGAIN) {
      may_check_ = open_ && (result >= 0 || result == -ENOTSUP);
      return result;
    }
    check_wait(name, wait, asked);
    if (how.once) return result;
    const auto now = clock::now();
    if (repeats > most_repeats && now - began < 1s) {
      complain(fmt::format("{} said -EAGAIN {} times within a second, and what it waited for was "
                           "always there",
                           name, repeats),
               contract::repeated);
      throw check_aborted();
    }
    if (now >= until) {
      const bool aborting = name == "abort";
      complain(fmt::format("{} has said -EAGAIN for {}{} (--grace gives it longer)", name,
                           in_words(setup_.grace), aborting ? "" : hint(name)),
               aborting ? contract::abort_never_fails : contract::none);
      throw check_aborted();
    }
    if (now - began > 1s && !std::exchange(told, true))
      setup_.report.send(kind::note, fmt::format("waiting: {} says -EAGAIN{}", name, hint(name)));
    wait_as_told(wait, wake_.get(), until);
    (void)was_woken();
  }
}

void subject::check() {
  if (!table_.check) return;
  const call check_it = [&] {
    calling_ = std::this_thread::get_id();
    const auto result = table_.check(self_);
    calling_ = std::thread::id();
    return result;
  };
  const auto result = caller_->call_on_loop("check", check_it);
  if (result >= 0) return;
  may_check_ = false;
  fail("check", result, result == -EAGAIN ? contract::check_is_an_answer : contract::check);
}

}  // namespace nbdstream::conformance
