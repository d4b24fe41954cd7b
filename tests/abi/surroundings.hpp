// SPDX-License-Identifier: BSD-3-Clause
//
// The environment of a sink in the tests: directories, processes, readers.
#ifndef NBDSTREAM_TESTS_ABI_SURROUNDINGS_HPP
#define NBDSTREAM_TESTS_ABI_SURROUNDINGS_HPP

#include <sys/stat.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "medium/descriptor.hpp"

namespace sink_tests {

using nbdstream::medium::descriptor;

/// A fresh directory that vanishes with what is in it.
class directory {
 public:
  directory();
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;
  ~directory();

  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Sorted.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::string path_;
};

/// A child process, killed at the end of the test if it has not ended.
class process {
 public:
  /// Runs `body` in a fork; its result is the exit status.
  explicit process(const std::function<int()>& body);
  /// Runs a program.
  static process running(const std::vector<std::string>& command);
  process(const process&) = delete;
  process& operator=(const process&) = delete;
  ~process();

  /// The exit status; -1 if a signal ended the process. If it does not end within twice `patience`,
  /// -1, and the test fails.
  int wait();

 private:
  pid_t pid_;
};

/// The read end of a FIFO, opened without waiting for a writer.
descriptor reader_of(const std::string& fifo);

/// Up to `limit` bytes, waiting for them until the end of file.
std::string read_from(int fd, size_t limit = size_t(-1));

std::string contents_of(const std::string& path);
void create_file(const std::string& path, const std::string& contents = "");

/// Status of what is at the path itself.
struct stat status_of(const std::string& path);

/// `length` bytes, different for each `seed`.
std::string pattern(size_t length, unsigned seed = 0);

}  // namespace sink_tests

#endif
