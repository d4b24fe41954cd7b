// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_COMMAND_HPP
#define NBDSTREAM_SERVER_COMMAND_HPP

#include "io/readiness.hpp"
#include "io/unique_fd.hpp"

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace nbdstream {

/// The command of --run: SHELL -c COMMAND in a process group of its own, with none of our
/// descriptors but the standard ones, and with the signals as a new process expects them.
class captive_command {
 public:
  using variables = std::vector<std::pair<std::string, std::string>>;

  explicit captive_command(const asio::any_io_executor& executor) : exited_(executor) {}
  /// Kills what is left of the group where it was not waited for.
  ~captive_command();
  captive_command(const captive_command&) = delete;
  captive_command& operator=(const captive_command&) = delete;

  /// Starts `command` in `shell`, a path, with `add` in its environment. A bash runs it with
  /// pipefail. Throws boost::system::system_error.
  void start(const std::string& shell, const std::string& command, const variables& add);

  /// Waits until it has exited, or `until`; returns whether it has, and has reaped it then.
  [[nodiscard]] awaitable<bool> wait(io::clock::time_point until);
  /// Makes wait() return.
  void wake() { exited_.cancel(); }

  /// As a shell shows it: the exit status, or 128 + the signal. State: wait() returned true.
  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] bool running() const noexcept { return pid_ > 0; }

  /// To every process of its group, also those that outlive the command itself.
  void signal(int number) const noexcept;
  /// Whether any process of its group is left; reaps those that have ended.
  [[nodiscard]] bool group_exists() const noexcept;

 private:
  pid_t pid_ = -1;
  pid_t group_ = -1;
  int status_ = 0;
  io::unique_fd pidfd_;
  io::readiness exited_;
};

}  // namespace nbdstream
#endif
