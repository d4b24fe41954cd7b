// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_ERRAND_HPP
#define NBDSTREAM_SINKS_S3_ERRAND_HPP

#include "job.hpp"
#include "transport.hpp"

namespace nbdstream::s3 {

/// What a thread lends to whoever does a job on it: the network, and time, until it is called back.
class errand {
 public:
  errand() = default;
  errand(const errand&) = delete;
  errand& operator=(const errand&) = delete;
  virtual ~errand() = default;

  /// Ends soon once it is called back.
  virtual exchange perform(const http_request& request) = 0;
  /// Called back: what has been begun is not wanted any more.
  [[nodiscard]] virtual bool stopped() const = 0;
  /// Waits, less if it is called back.
  virtual void rest(duration time) = 0;
  /// The server has too much to do.
  virtual void slow_down() = 0;
  /// Anything of [0, 1), another one each time.
  virtual double chance() = 0;
};

}  // namespace nbdstream::s3
#endif
