// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_ATTEMPTS_HPP
#define NBDSTREAM_SINKS_S3_ATTEMPTS_HPP

#include <cstdint>
#include <optional>
#include <set>

#include "job.hpp"
#include "reply.hpp"

namespace nbdstream::s3 {

/// How long to wait before something is asked for again that was asked for `tries` times before:
/// somewhere between nothing and 0.5 s × 2ⁿ, at most 30 s. `chance` is of [0, 1): were it always
/// the same, all who fail at the same moment would come back at the same moment.
duration backoff(unsigned tries, double chance) noexcept;

/// The attempts of one request, and whether there is to be another.
class attempts {
 public:
  /// There is at least one more, and then more until `patience` is over.
  attempts(duration patience, time_point began) noexcept : patience_(patience), began_(began) {}

  /// After a failure that another attempt may mend: how long to wait before it. None: give up.
  std::optional<duration> again(const judgement& why, time_point now, double chance);

  /// After a failure that we can mend, before another attempt at once: the first time of its kind.
  bool mendable(verdict why) { return mended_.insert(why).second; }

  [[nodiscard]] unsigned failures() const noexcept { return failures_; }

 private:
  duration patience_;
  time_point began_;
  unsigned failures_ = 0;
  unsigned corrupt_ = 0;
  std::set<verdict> mended_;
};

/// How many requests that carry data may run at a time: fewer when the server has too much to do.
class throttle {
 public:
  explicit throttle(unsigned most) noexcept : most_(most), limit_(most) {}

  [[nodiscard]] bool has_room() const noexcept { return running_ < limit_; }
  void enter() noexcept { ++running_; }
  void leave() noexcept { --running_; }

  void slow_down() noexcept;
  /// A request has succeeded: after some of them, one more is tried.
  void good() noexcept;

  [[nodiscard]] unsigned limit() const noexcept { return limit_; }

 private:
  unsigned most_;
  unsigned limit_;
  unsigned running_ = 0;
  unsigned good_ = 0;
};

}  // namespace nbdstream::s3
#endif
