// SPDX-License-Identifier: BSD-3-Clause
//
// Child processes that cannot outlive their test.
#ifndef NBDSTREAM_TESTS_SUPPORT_PROCESS_HPP
#define NBDSTREAM_TESTS_SUPPORT_PROCESS_HPP

#include "support/deadline.hpp"
#include "support/file_descriptor.hpp"

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace nbdstream::test {

/// How a process ended, and what it had written.
struct result {
  int status = -1;  ///< as a shell sees it: 128+N after signal N
  std::string out;
  std::string err;
};

/// A running program, in a process group of its own. Destroying it kills the group.
class process {
 public:
  struct options {
    std::filesystem::path directory = ".";  ///< to run in
    std::vector<std::string> environment;   ///< NAME=VALUE, added to our own
    int in = -1;                            ///< borrowed; -1: /dev/null
    int out = -1;                           ///< borrowed; -1: captured
    bool close_out = false;                 ///< run it without a stdout
    int terminal = -1;                      ///< borrowed; that of a session of its own, and stdin
  };

  /// argv[0] is looked up in PATH. Throws if it cannot be run.
  process(std::vector<std::string> argv, const options& how);
  process(process&& other) noexcept;
  process& operator=(process&&) = delete;
  ~process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool running();
  void signal(int number) const;

  /// Waits for the end. A process that is still there at the deadline is an exception that tells
  /// its command line and what it had said.
  result wait(std::chrono::milliseconds within = patience);

  /// What it has written to stderr until now.
  [[nodiscard]] std::string err() const;

 private:
  void kill_group() noexcept;

  std::vector<std::string> argv_;
  file_descriptor out_, err_;  ///< memory files: nothing to drain, nothing left behind
  pid_t pid_ = -1;
  int status_ = -1;
  bool reaped_ = false;
};

/// From now on every orphan among our descendants becomes our child, so that it can be found.
void adopt_orphans();

/// Gives our children a moment to end, kills and reaps those that do not, and names them.
[[nodiscard]] std::vector<std::string> end_leftovers();

}  // namespace nbdstream::test
#endif
