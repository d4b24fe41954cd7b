// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_COMMAND_HPP
#define NBDSTREAM_SERVER_COMMAND_HPP

#include "io/condition.hpp"
#include "server/foreground.hpp"

#include <boost/asio/signal_set.hpp>

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace nbdstream {

/// The command of --run: SHELL -c COMMAND in a process group of its own, with none of our
/// descriptors but the standard ones, and with the signals as a new process expects them.
///
/// Towards the terminal both are one job: where we are in its foreground the command is, and where
/// the command is stopped (^Z, or since it asks the terminal from the background) we stop, too, and
/// it goes on when we do.
class captive_command {
 public:
  using variables = std::vector<std::pair<std::string, std::string>>;

  explicit captive_command(const asio::any_io_executor& executor)
      : signals_(executor), changed_(executor) {}
  /// Kills what is left of the group where it was not waited for.
  ~captive_command();
  captive_command(const captive_command&) = delete;
  captive_command& operator=(const captive_command&) = delete;

  /// Starts `command` in `shell`, a path, with `add` in its environment. A bash runs it with
  /// pipefail. Throws boost::system::system_error.
  void start(const std::string& shell, const std::string& command, const variables& add);

  /// Waits until it has ended, or `until`; returns whether it has, and has reaped it then.
  [[nodiscard]] awaitable<bool> wait(io::clock::time_point until);
  /// Makes wait() return.
  void wake() { changed_.notify_all(); }

  /// As a shell shows it: the exit status, or 128 + the signal. State: wait() returned true.
  [[nodiscard]] int status() const noexcept { return status_; }
  /// The same in words: "exited with status 3".
  [[nodiscard]] const std::string& ending() const noexcept { return ending_; }
  [[nodiscard]] bool running() const noexcept { return pid_ > 0; }
  /// Whether we have given it our terminal.
  [[nodiscard]] bool has_terminal() const noexcept { return foreground_.is_given(); }

  /// Waits until it has ended, however long that takes; once it was told to end, `grace`: then it
  /// is killed.
  [[nodiscard]] awaitable<void> wait_for_end(io::clock::duration grace);
  /// Tells its group to end, the first time. `number`: a signal.
  void terminate(int number);
  /// Where it was told to end: waits for what is left of its group, `grace` at most, and kills that
  /// then. The shell may be gone and its children not.
  [[nodiscard]] awaitable<void> end_group(io::clock::duration grace);

  /// To every process of its group, also those that outlive the command itself.
  void signal(int number) const noexcept;
  /// Whether any process of its group is left; reaps those that have ended.
  [[nodiscard]] bool group_exists() const noexcept;

 private:
  void watch();
  [[nodiscard]] bool look();
  void ended(int status, std::string how);
  void stop_with_it();
  void resume();

  pid_t pid_ = -1;
  pid_t group_ = -1;
  bool terminating_ = false;  ///< it was told to end
  bool stopped_ = false;      ///< and we are to be continued first
  int status_ = 0;
  std::string ending_;
  foreground foreground_;
  asio::signal_set signals_;
  io::condition changed_;
};

}  // namespace nbdstream
#endif
