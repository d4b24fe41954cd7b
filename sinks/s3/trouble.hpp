// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_TROUBLE_HPP
#define NBDSTREAM_SINKS_S3_TROUBLE_HPP

#include <nbdstream/sink.h>

#include <functional>
#include <mutex>
#include <string>

#include "job.hpp"

namespace nbdstream::s3 {

/// For any thread.
using log_function = std::function<void(nbdstream_log_level, const std::string&)>;

/// Says in the log that requests fail and are repeated: the first one, then one a minute, and when
/// all of them are well again; the others are for who debugs. For any thread.
class trouble {
 public:
  explicit trouble(log_function log) : log_(std::move(log)) {}

  /// A request has failed, `first`: for the first time, and will be repeated.
  void failed(const std::string& text, bool first, time_point now);
  /// A request that has failed will not be repeated, whatever has come of it.
  void ended();
  /// Likewise, since it failed for too long: now somebody else has to say so.
  void given_up();
  /// A request has succeeded.
  void well(time_point now);

 private:
  log_function log_;
  std::mutex mutex_;
  unsigned failing_ = 0;  ///< requests
  bool warned_ = false;   ///< and did not say yet that all is well again
  time_point since_{};
  time_point last_{};
};

}  // namespace nbdstream::s3
#endif
