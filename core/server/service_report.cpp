// SPDX-License-Identifier: BSD-3-Clause
#include "server/service_report.hpp"

#include "log/visible.hpp"
#include "status/progress.hpp"

#include <ctime>

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream {
namespace {

/// As much as `systemctl status` shows well: so many exports, each this wide.
constexpr status::screen_size room{120, 5};

/// One line: nothing in it may pass for a further assignment.
std::string status_line(const status::process& p) {
  std::string line;
  for (const auto& one : status::progress_lines(p, room, false)) {
    if (!line.empty()) line += "; ";
    log::append_visible(line, one);
  }
  return line;
}

std::uint64_t bytes_sent(const status::process& p) {
  std::uint64_t sum = 0;
  for (const auto& e : p.exports) sum += e.count.sent;
  return sum;
}

bool commits(const status::process& p) {
  return std::ranges::any_of(p.exports,
                             [](const auto& e) { return e.now == status::state::committing; });
}

/// What the manager compares with the time at which it asked us to reload.
std::uint64_t monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

void service_report::ready() {
  ready_ = true;
  tell_phase();
}

void service_report::stopping() {
  stopping_ = true;
  tell_phase();
}

/// What the manager could not take is told again.
void service_report::tell_phase() {
  if (ready_ && !reloading_ && !ready_was_told_) ready_was_told_ = manager_.send("READY=1");
  if (stopping_ && !stopping_was_told_) stopping_was_told_ = manager_.send("STOPPING=1");
}

void service_report::reloading() {
  reloading_ = true;
  ready_was_told_ = false;
  static_cast<void>(
      manager_.send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds())));
}

void service_report::ready_again() {
  reloading_ = false;
  tell_phase();
}

void service_report::look(const status::process& p, time_point now) {
  tell_phase();
  tell_status(p);
  if (stopping_) ask_for_time(p, now);
  sent_ = bytes_sent(p);
}

void service_report::tell_status(const status::process& p) {
  auto line = status_line(p);
  if (line != status_ && manager_.send("STATUS=" + line)) status_ = std::move(line);
}

void service_report::ask_for_time(const status::process& p, time_point now) {
  const bool moves = bytes_sent(p) != sent_;
  if (moves || moved_at_ == time_point{}) moved_at_ = now;
  const bool needs_time = moves || (commits(p) && now - moved_at_ < longest_commit);
  if (!needs_time || now < ask_at_) return;
  const std::chrono::microseconds more(extension);
  const auto text = fmt::format("EXTEND_TIMEOUT_USEC={}", more.count());
  if (manager_.send(text)) ask_at_ = now + extension_interval;
}

}  // namespace nbdstream
