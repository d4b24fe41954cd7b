// SPDX-License-Identifier: BSD-3-Clause
#include "trouble.hpp"

namespace nbdstream::s3 {
namespace {

constexpr auto between_warnings = std::chrono::minutes(1);

}  // namespace

void trouble::failed(const std::string& text, bool first, time_point now) {
  const std::lock_guard lock(mutex_);
  if (failing_ == 0 && !warned_) since_ = now;
  if (first) ++failing_;
  const bool warn = last_ == time_point{} || now - last_ >= between_warnings;
  if (warn) {
    last_ = now;
    warned_ = true;
  }
  log_(warn ? NBDSTREAM_LOG_WARNING : NBDSTREAM_LOG_DEBUG, text);
}

void trouble::ended() {
  const std::lock_guard lock(mutex_);
  --failing_;
}

void trouble::given_up() {
  const std::lock_guard lock(mutex_);
  --failing_;
  warned_ = false;
}

void trouble::well(time_point now) {
  const std::lock_guard lock(mutex_);
  if (!warned_ || failing_ > 0) return;
  warned_ = false;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - since_).count();
  log_(NBDSTREAM_LOG_INFO, "the server works again, after " + std::to_string(seconds) + " s");
}

}  // namespace nbdstream::s3
