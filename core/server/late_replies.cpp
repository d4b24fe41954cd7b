// SPDX-License-Identifier: BSD-3-Clause
#include "server/late_replies.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace nbdstream {

using protocol::wire_error;

namespace {

/// The memory of so many is kept for those to come.
constexpr std::size_t most_spare = 1024;

}  // namespace

void late_replies::add(std::uint64_t end, client& who, const protocol::cookie& of) {
  waiting_.push_back({end, &who, of});
  std::ranges::push_heap(waiting_, std::greater{}, &entry::end);
}

void late_replies::answer_before(std::uint64_t cursor) {
  while (!waiting_.empty() && waiting_.front().end <= cursor) {
    const auto first = waiting_.front();
    std::ranges::pop_heap(waiting_, std::greater{}, &entry::end);
    waiting_.pop_back();
    first.who->replies.add(first.of, wire_error::none);
  }
}

void late_replies::answer_all(wire_error error) {
  std::ranges::sort(waiting_, {}, &entry::end);
  for (const auto& e : waiting_) e.who->replies.add(e.of, error);
  waiting_.clear();
  if (waiting_.capacity() > most_spare) waiting_.shrink_to_fit();
}

void late_replies::answer_all(const client& who) {
  // In their order; and what is left of it is in order, which is a heap too.
  std::ranges::sort(waiting_, {}, &entry::end);
  std::erase_if(waiting_, [&](const entry& e) {
    if (e.who != &who) return false;
    e.who->replies.add(e.of, wire_error::none);
    return true;
  });
}

void late_replies::forget(const client& who) {
  std::erase_if(waiting_, [&](const entry& e) { return e.who == &who; });
  std::ranges::make_heap(waiting_, std::greater{}, &entry::end);
}

}  // namespace nbdstream
