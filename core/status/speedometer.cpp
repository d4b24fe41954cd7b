// SPDX-License-Identifier: BSD-3-Clause
#include "status/speedometer.hpp"

#include <algorithm>

namespace nbdstream::status {
namespace {

/// What "now" means: over less, a rate is noise.
constexpr std::chrono::seconds present{4};

/// How many rates the history has: 5 minutes of them.
constexpr std::size_t most_samples = 150;

double rate(std::uint64_t bytes, seconds time) {
  return time.count() > 0 ? static_cast<double>(bytes) / time.count() : 0;
}

}  // namespace

void speedometer::look(const exported& e, time_point now) {
  const auto id = e.current ? e.current->id : 0;
  const auto done = e.current ? e.current->done : 0;
  // What is done becomes less where a spooled stream begins to be sent.
  const bool goes_on = id == stream_ && done >= stream_done_;
  all_done_ += goes_on ? done - stream_done_ : id == stream_ ? 0 : done;
  stream_ = id;
  stream_done_ = done;
  last_.push_back({now, all_done_});
  while (last_.size() > 2 && now - last_[1].at >= present) last_.pop_front();
  const bool due = samples_.empty() || now - samples_.back().at >= history_interval * 0.9;
  if (due) samples_.push_back({now, all_done_});
  if (samples_.size() > most_samples + 1) samples_.pop_front();
}

rates speedometer::read(const exported& e) const {
  rates r;
  for (std::size_t i = 1; i < samples_.size(); ++i) {
    const auto& [at, done] = samples_[i];
    r.history.push_back(rate(done - samples_[i - 1].done, at - samples_[i - 1].at));
  }
  if (!e.current) return r;
  const auto& s = *e.current;
  r.average = rate(s.done, s.age);
  r.now = r.average;
  if (last_.size() > 1) {
    const auto time = last_.back().at - last_.front().at;
    r.now = rate(last_.back().done - last_.front().done, time);
  }
  // By the average since a while: what is read now may be a run of zeroes.
  const auto pace = (r.now + r.average) / 2;
  if (s.total && *s.total >= s.done && pace > 0 && r.now > 0) {
    r.remaining = seconds(static_cast<double>(*s.total - s.done) / pace);
  }
  return r;
}

}  // namespace nbdstream::status
