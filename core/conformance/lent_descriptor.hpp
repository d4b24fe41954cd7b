// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONFORMANCE_LENT_DESCRIPTOR_HPP
#define NBDSTREAM_CONFORMANCE_LENT_DESCRIPTOR_HPP

#include "conformance/caller.hpp"

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

namespace nbdstream::conformance {

/// Writes to a descriptor that a module lends, as the host may.
class lent_descriptor {
 public:
  /// Why `fd` cannot be lent; empty: it can.
  [[nodiscard]] static std::string fault_of(int fd);

  /// `shared`: NBDSTREAM_FD_SHARED; else a pipe is made non-blocking.
  lent_descriptor(int fd, bool shared);

  /// 0 or -errno; -ETIMEDOUT where not all is taken within `grace`.
  [[nodiscard]] int write(std::string_view data, clock::duration grace) const;

  /// Where it stands in a file; nothing where it is none, or is appended to.
  [[nodiscard]] std::optional<off_t> offset() const;

  /// What the module has changed about it since it was lent; empty: nothing.
  [[nodiscard]] std::string change() const;
  [[nodiscard]] bool shared() const noexcept { return shared_; }

 private:
  /// As write(2).
  [[nodiscard]] ssize_t write_some(std::string_view data) const;

  int fd_;
  bool shared_;
  int flags_ = 0;
  struct stat file_ {};
};

}  // namespace nbdstream::conformance
#endif
