// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONFORMANCE_CHILD_HPP
#define NBDSTREAM_CONFORMANCE_CHILD_HPP

#include "conformance/checks.hpp"
#include "sink/registry.hpp"

#include <sys/types.h>

namespace nbdstream::conformance {

/// A process that loads a module and makes one check of it. Destroying this kills it, and whoever
/// it has started, unless they went their own way.
class child {
 public:
  child(const check& c, const sink::registry& registry, const config::sink_config& given,
        clock::duration grace);
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child();

  [[nodiscard]] const channel& reports() const noexcept { return here_; }

  /// Ends it, if it has not ended. Returns how it ended, as in "signal 11 (Segmentation fault)",
  /// or nothing where it did so in peace.
  std::string end(bool forcibly);

  /// The reader of its standard output.
  [[nodiscard]] int output() const noexcept { return output_.get(); }
  void close_output() noexcept { output_.reset(); }

 private:
  child(std::pair<channel, channel> ends, const check& c, const sink::registry& registry,
        const config::sink_config& given, clock::duration grace);

  channel here_;
  io::unique_fd output_;
  pid_t pid_ = -1;
};

}  // namespace nbdstream::conformance
#endif
