// SPDX-License-Identifier: BSD-3-Clause
#include "stream/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nbdstream::stream {
namespace {

/// So many times --settle a stream of nothing but zeroes waits at most, where connections come and
/// go without a write.
constexpr int longest_settling = 10;

}  // namespace

void verdict::joined() noexcept {
  ++writers_;
  goes_on_after_eof_ |= ended_by_eof_;
  if (state_ == state::settling) state_ = state::open;
}

void verdict::left(disconnect how, std::string_view who, time_point now) {
  --writers_;
  last_change_ = writers_left_ = now;
  ended_by_eof_ |= how == disconnect::eof;
  if (how == disconnect::mid_request) {
    if (!enter_failed(cause::vanished_client)) return;
    reason_ = fmt::format("{} disconnected inside a request", who);
  } else if (how == disconnect::eof && decided_by_disconnects()) {
    if (!enter_failed(cause::vanished_client)) return;
    reason_ = fmt::format(
        "{} wrote and disconnected without NBD_CMD_DISC; a client that never sends it needs --run, "
        "whose exit status then decides",
        who);
  } else if (writers_ == 0 && state_ == state::open && decided_by_disconnects()) {
    writers_are_gone();
  }
}

/// State: open, and what decides says that the stream is complete.
void verdict::writers_are_gone() noexcept {
  // An incremental stream whose bytes nobody counts: only its connections tell whether all came.
  const bool uncounted = rules_.incremental && !rules_.expected_bytes && bystanders_ > 0;
  const bool more_may_come = (!any_data_ || uncounted) && !no_more_clients_;
  state_ = more_may_come ? state::settling : state::written;
}

void verdict::bystanders(std::size_t count, time_point now) noexcept {
  bystanders_ = count;
  last_change_ = now;
}

void verdict::run_exited(int status, std::string_view how, time_point now) {
  if (status != 0) {
    fail(how);
  } else if (rules_.decided_by_run) {
    run_succeeded_ = true;
    run_until_ = now + rules_.run_grace;
    if (no_more_clients_) no_more_clients();
  }
}

void verdict::no_more_clients() {
  no_more_clients_ = true;
  if (rules_.told && run_succeeded_) {
    if (accepts_writers())
      fail("the command of --run has exited without a commit through --control");
  } else if (state_ == state::settling || (state_ == state::open && run_succeeded_)) {
    state_ = state::written;
  }
}

std::string verdict::told_to_commit(const coverage& named) {
  if (!rules_.told) {
    return "this export does not take a commit from outside; start nbdstream with --end told";
  }
  if (!accepts_writers()) return "the stream is not open any more";
  if (writers_ > 0) return "a client that wrote is still connected";
  if (goes_on_after_eof_) {
    return "a client disconnected without NBD_CMD_DISC, and after that another one began to write: "
           "these may be two jobs; abort the stream";
  }
  auto fault = find_fault(named);
  if (fault.empty()) state_ = state::written;
  return fault;
}

void verdict::stop(std::string_view reason) {
  // Of a stream of zeroes that a connection may go on with, all of the data may be missing.
  if (state_ == state::settling && bystanders_ == 0) {
    state_ = state::written;
  } else if (accepts_writers()) {
    fail(reason);
  }
}

/// First of all: what comes then, such as making the text of the reason, may throw.
bool verdict::enter_failed(cause why) noexcept {
  if (has_failed_or_ended()) return false;
  state_ = state::failed;
  cause_ = why;
  return true;
}

void verdict::fail(std::string_view reason, cause why) {
  if (enter_failed(why)) reason_ = reason;
}

void verdict::tick(time_point now) {
  if (now < next_at()) return;
  if (state_ == state::settling) {
    state_ = state::written;
  } else {
    fail("the command of --run has exited, but after --run-grace a client is still connected");
  }
}

verdict::time_point verdict::next_at() const noexcept {
  if (state_ == state::settling) {
    if (bystanders_ > 0) return time_point::max();
    return std::min(last_change_ + rules_.settle, writers_left_ + longest_settling * rules_.settle);
  }
  return state_ == state::open ? run_until_ : time_point::max();
}

void verdict::cover(const coverage& named) {
  auto fault = find_fault(named);
  if (fault.empty()) {
    state_ = state::complete;
    return;
  }
  enter_failed(cause::other);
  reason_ = std::move(fault);
}

/// What is wrong with what was named; empty: nothing.
std::string verdict::find_fault(const coverage& named) const {
  const bool zeroes_may_be_meant =
      (rules_.decided_by_run || rules_.told) && rules_.size_is_known && !rules_.refuse_gaps;
  if (!named.any() && !zeroes_may_be_meant) {
    return "nothing was written: no write or zero request came, and a TRIM does not count";
  }
  if (rules_.incremental && rules_.follows_vanished_client && !rules_.expected_bytes) {
    return "the client of the stream before this one vanished, and this may be the same client, "
           "which continues in the middle: give --expect-bytes, which proves that all bytes came";
  }
  if (rules_.every_byte() && !named.complete()) {
    return fmt::format(
        "{} bytes were not covered by any write or zero request ({}); {}", named.missing_bytes(),
        named.describe(),
        rules_.refuse_gaps
            ? "--gaps allow is for clients that skip zeroes"
            : "the client of the stream before this one vanished, and this may be the same client, "
              "which continues in the middle: write the whole disk again");
  }
  const auto named_bytes = named.named_bytes();
  if (rules_.expected_bytes && *rules_.expected_bytes != named_bytes) {
    const auto expected = *rules_.expected_bytes;
    const bool fewer = named_bytes < expected;
    return fmt::format("requests covered {} bytes, {} {} than --expect-bytes {}", named_bytes,
                       fewer ? expected - named_bytes : named_bytes - expected,
                       fewer ? "fewer" : "more", expected);
  }
  if (rules_.proven_by_coverage() && !rules_.decided_by_run && !rules_.told &&
      named.zeroes_were_overwritten()) {
    return fmt::format(
        "bytes were zeroed first and written later (first at {}), so nbdstream cannot tell whether "
        "all data came: {}",
        named.first_overwritten(),
        rules_.refuse_gaps
            ? "a client that zeroes the disk first and then writes it needs --run, whose exit "
              "status decides, or --gaps allow, which trusts its NBD_CMD_DISC"
        : rules_.follows_vanished_client
            ? "the client of the stream before this one vanished, and this may be the same client, "
              "which continues in the middle; such a client needs --run, whose exit status decides"
            : "a client that does that needs --run, whose exit status decides");
  }
  return {};
}

}  // namespace nbdstream::stream
