// SPDX-License-Identifier: BSD-3-Clause
#include "serve/read_export.hpp"

#include "serve/read_service.hpp"
#include "server/read_message.hpp"

#include <utility>

namespace nbdstream::serve {
namespace {

/// So many reads of the source are under way at a time: over a network most of them wait.
constexpr std::size_t threads = 8;

/// A read of more than `small_read` waits where the reads of all clients have so much memory.
constexpr std::uint64_t most_answers = 256 << 20;  // bytes

/// So many errors are reported in each such time.
constexpr int most_lines = 10;
constexpr auto report_period = std::chrono::seconds(10);

}  // namespace

read_export::read_export(const asio::any_io_executor& executor, settings s, log::logger& log)
    : executor_(executor),
      from_(std::move(s.from)),
      readers_(executor, threads, log),
      memory_freed_(executor),
      log_(log) {
  using namespace protocol::transmission_flag;
  info_ = {.name = std::move(s.name),
           .description = std::move(s.description),
           .size = from_->size(),
           .flags = has_flags | read_only};
  if (s.several_clients) info_.flags |= can_multi_conn;
}

std::unique_ptr<service> read_export::serve(connection& on) {
  return std::make_unique<read_service>(on, *this);
}

bool read_export::has_memory_for(std::uint64_t bytes) const noexcept {
  return bytes <= small_read || memory_ == 0 || memory_ + bytes <= most_answers;
}

void read_export::report(const std::string& why) {
  if (interrupted_ || why == reported_) return;
  reported_ = why;
  const auto now = io::clock::now();
  if (now >= period_end_) {
    tell_of_the_rest();
    period_end_ = now + report_period;
    lines_ = 0;
  }
  if (lines_ == most_lines) {
    ++left_out_;
    return;
  }
  ++lines_;
  log_.error("{}", why);
}

void read_export::tell_of_the_rest() {
  if (left_out_ == 0) return;
  log_.error("{}: {} more reads failed, which were not logged one by one", from_->name(),
             std::exchange(left_out_, 0));
}

void read_export::abandon() {
  tell_of_the_rest();
  readers_.abandon();
}

void read_export::interrupt() {
  interrupted_ = true;
  from_->interrupt();
}

}  // namespace nbdstream::serve
