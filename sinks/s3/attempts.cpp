// SPDX-License-Identifier: BSD-3-Clause
#include "attempts.hpp"

#include <algorithm>

namespace nbdstream::s3 {
namespace {

constexpr auto first = std::chrono::milliseconds(500);
constexpr auto longest_pause = std::chrono::seconds(30);
constexpr unsigned most_corrupt = 5;    // it is our memory, or the way there: no time mends that
constexpr unsigned good_for_more = 20;  // requests

}  // namespace

duration backoff(unsigned tries, double chance) noexcept {
  const duration most = std::min<duration>(longest_pause, first * (1U << std::min(tries, 10U)));
  return std::chrono::duration_cast<duration>(most * chance);
}

std::optional<duration> attempts::again(const judgement& why, time_point now, double chance) {
  ++failures_;
  if (why.what == verdict::corrupt && ++corrupt_ >= most_corrupt) return {};
  const duration left = began_ + patience_ - now;
  if (failures_ > 1 && left <= duration::zero()) return {};
  const duration delay = std::max(why.retry_after, backoff(failures_ - 1, chance));
  // So that the last attempt is not long after its patience.
  return std::min(delay, std::max<duration>(left, first));
}

void throttle::slow_down() noexcept {
  limit_ = std::max(1U, limit_ / 2);
  good_ = 0;
}

void throttle::good() noexcept {
  if (limit_ < most_ && ++good_ >= good_for_more) {
    ++limit_;
    good_ = 0;
  }
}

}  // namespace nbdstream::s3
