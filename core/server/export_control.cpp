// SPDX-License-Identifier: BSD-3-Clause
//
// What is told to an export from outside, and what can be seen of it there.
#include "server/export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nbdstream {

using result = nbd_export::told::result;

/// Until `s` has ended, or it cannot be waited for: run() is over and `s` lost without an end, or
/// the sink does not return from a call. Returns whether it has ended.
awaitable<bool> nbd_export::wait_for_end(const open_stream& s) {
  while (!s.ended() && !ended() && !is_stuck()) co_await changed_.wait();
  co_return s.ended();
}

/// Ended, or stuck.
nbd_export::told nbd_export::describe_end(const open_stream& s, bool has_ended) {
  told answer{.what = result::failed, .why = {}, .stream = s.outcome()};
  answer.why = has_ended ? answer.stream.reason
                         : "a call of the sink does not return: the stream is neither committed "
                           "nor aborted";
  if (answer.stream.committed) answer.what = result::done;
  return answer;
}

/// No stream is open. Who asks again after the only one was committed gets the same answer.
nbd_export::told nbd_export::refuse_commit() const {
  told answer{.what = result::conflict, .why = "no stream is open", .stream = {}};
  if (settings_.told && settings_.config.streams == 1 && committed_ == 1) {
    answer = {.what = result::done, .why = {}, .stream = recent_.back()};
  }
  return answer;
}

awaitable<nbd_export::told> nbd_export::commit() {
  told answer{.what = result::conflict, .why = {}, .stream = {}};
  const bool nobody_writes = attached_ == 0 && !client_vanished_;
  if (settings_.told && nobody_writes && zeroes_may_be_meant()) begin_stream();
  const auto stream = current_;
  if (!stream) co_return refuse_commit();
  if (stream->has_open_requests() || first_writes_ > 0) {
    answer.why = "a client's request is not answered yet";
    co_return answer;
  }
  const auto until = io::clock::now() + settings_.run_grace;
  stream->expect_commit(true);
  while (settings_.told && stream->accepts_writers() && stream->writers() > 0 &&
         io::clock::now() < until) {
    co_await changed_.wait_with_second_look(until);
  }
  stream->expect_commit(false);
  if (stream->accepts_writers()) answer.why = stream->told_to_commit();
  if (!answer.why.empty()) co_return answer;
  // It may have failed meanwhile, and even have ended.
  using state = stream::verdict::state;
  const bool failed_before = stream->state() == state::failed || stream->state() == state::aborted;
  const bool has_ended = co_await wait_for_end(*stream);
  answer = describe_end(*stream, has_ended);
  if (failed_before) answer.what = result::conflict;
  co_return answer;
}

awaitable<nbd_export::told> nbd_export::abort(std::string reason) {
  told answer{.what = result::conflict, .why = "no stream is open", .stream = {}};
  const auto stream = current_;
  if (!stream) {
    // Its client made it fail already. Who says so knows it: the next client is another job's.
    if (!std::exchange(client_vanished_, false)) co_return answer;
    answer = {.what = result::done, .why = {}, .stream = recent_.back()};
    co_return answer;
  }
  stream->told_to_abort(reason.empty() ? "told to abort"
                                       : fmt::format("told to abort: {}", reason));
  const bool has_ended = co_await wait_for_end(*stream);
  answer = describe_end(*stream, has_ended);
  if (answer.stream.committed) {
    answer.what = result::conflict;
    answer.why = "the stream was committed already";
  } else if (has_ended) {
    answer.what = result::done;
    answer.why.clear();
  }
  co_return answer;
}

awaitable<std::optional<status::outcome>> nbd_export::next_outcome() {
  const auto before = committed_ + aborted_;
  while (!ended() && !is_stuck() && committed_ + aborted_ == before) co_await changed_.wait();
  // The only stream that there will ever be may have ended a moment before somebody asked.
  const auto wanted = settings_.config.streams == 1 ? 1 : before + 1;
  const auto found = std::ranges::find_if(recent_, [&](const auto& o) { return o.id >= wanted; });
  if (found == recent_.end()) co_return std::nullopt;
  co_return *found;
}

status::exported nbd_export::snapshot() const {
  status::exported s;
  s.name = settings_.config.name;
  s.description = settings_.config.description;
  s.sink = settings_.config.sink.module;
  s.size = settings_.config.size;
  s.streams = settings_.config.streams;
  s.committed = committed_;
  s.aborted = aborted_;
  s.last_commit = last_commit_;
  s.count = counted_;
  s.recent = recent_;
  if (current_) {
    s.current = current_->snapshot();
    s.count += s.current->count;
  }
  s.now = ended()      ? status::state::ended
          : is_stuck() ? status::state::stuck
          : current_   ? current_->status()
                       : status::state::waiting_for_client;
  return s;
}

}  // namespace nbdstream
