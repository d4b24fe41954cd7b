// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_EXEC_COMMAND_HPP
#define NBDSTREAM_SINKS_EXEC_COMMAND_HPP

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../medium/descriptor.hpp"

namespace nbdstream::exec {

/// /bin/sh -c COMMAND in a session of its own, and so without a terminal: whoever would ask for a
/// password there fails, instead of being stopped for ever. Its standard output is our standard
/// error, it has no other descriptor of ours, and the signals are as a new process expects them.
class command {
 public:
  /// What to put into its environment, and, without a value, what to take out.
  using variables = std::vector<std::pair<std::string, std::optional<std::string>>>;

  /// Makes its process, with `input` as standard input, and its group. Nothing of the command runs
  /// before run(), and nothing ever does where we are killed before. Throws sink_error.
  void prepare(const std::string& line, const variables& environment, int input);

  /// Runs it; returns once the shell runs. Throws sink_error.
  void run();

  [[nodiscard]] bool started() const noexcept { return group_ > 0; }
  /// Of its process group.
  [[nodiscard]] pid_t group() const noexcept { return group_; }
  /// Readable as soon as it has exited; -1 where the system knows no such thing.
  [[nodiscard]] int handle() const noexcept { return pidfd_.get(); }

  /// Whether the shell has exited. What it has started may run on.
  bool has_exited() noexcept;
  /// State: it has exited.
  [[nodiscard]] bool succeeded() const noexcept { return how_ == how::exited && code_ == 0; }
  /// "exited with status 3". State: it has exited.
  [[nodiscard]] std::string exit_text() const;

  /// To every process of its group.
  void signal(int number) const noexcept;
  /// Whether any process of its group is left. State: it has exited.
  [[nodiscard]] bool leaves_others() const noexcept;

  /// It is over for us, and started() is false.
  void forget() noexcept;

 private:
  enum class how { running, exited, killed, unknown };

  [[noreturn]] void fail_to_run(int error);
  void reap() const noexcept;

  pid_t group_ = -1;            // whose leader is the shell
  medium::descriptor control_;  // of its process before exec: our end, which nobody else has
  medium::descriptor pidfd_;
  how how_ = how::running;
  int code_ = 0;  // exit status, or signal
};

}  // namespace nbdstream::exec

#endif
