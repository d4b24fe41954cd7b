// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_FOREGROUND_HPP
#define NBDSTREAM_SERVER_FOREGROUND_HPP

#include "io/unique_fd.hpp"

#include <sys/types.h>

namespace nbdstream {

/// The terminal that controls this process. While this process is in its foreground, it may give
/// the terminal to a process group that it has started, as a shell does for its jobs. In the
/// background it changes nothing.
class foreground {
 public:
  /// Looks for the terminal. Until then, and where there is none, everything below does nothing.
  void open();

  [[nodiscard]] bool has_terminal() const noexcept { return static_cast<bool>(terminal_); }
  [[nodiscard]] int terminal() const noexcept { return terminal_.get(); }
  /// Whether our own process group is the one that the terminal listens to.
  [[nodiscard]] bool ours() const noexcept;

  /// Makes `group` the one that the terminal listens to. State: ours().
  void give(pid_t group) noexcept;
  /// `group` has made itself that.
  void given() noexcept;
  [[nodiscard]] bool is_given() const noexcept { return given_; }
  /// Undoes that, unless somebody else has the terminal by now.
  void take_back(pid_t group) noexcept;

 private:
  io::unique_fd terminal_;
  bool given_ = false;
};

}  // namespace nbdstream
#endif
