// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the sink `exec` share.
#ifndef NBDSTREAM_TESTS_ABI_EXEC_FIXTURE_HPP
#define NBDSTREAM_TESTS_ABI_EXEC_FIXTURE_HPP

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <stdexcept>

#include "host.hpp"
#include "surroundings.hpp"

namespace sink_tests {

inline const std::string exec_module = in_tree_sink("exec");

/// Repeats abort as wait_for says. Returns how often it had to wait.
inline int abort_patiently(sink& exec) {
  int waits = 0;
  while (exec.abort() == -EAGAIN) {
    const nbdstream_wait until = exec.wait();
    EXPECT_GE(until.timeout_ns, 0) << "an abort must end";
    pollfd entry{until.fd, static_cast<short>(until.events), 0};
    (void)::poll(&entry, 1, static_cast<int>(until.timeout_ns / 1'000'000 + 1));
    if (++waits > 10'000) throw std::runtime_error("the abort does not end");
  }
  return waits;
}

struct ExecSink : ::testing::Test {
  directory here;

  /// The settings that run `command` in the test's directory.
  [[nodiscard]] settings running(const std::string& command,
                                 const std::string& grace = "20s") const {
    return {{"command", "cd " + here.path() + "; " + command}, {"grace", grace}};
  }

  [[nodiscard]] bool exists(const std::string& name) const {
    return status_of(here / name).st_mode != 0;
  }
  [[nodiscard]] bool appears(const std::string& name) const {
    return eventually([&] { return exists(name); });
  }
  /// Whether a process writes a line into this file.
  [[nodiscard]] bool gets_line(const std::string& name) const {
    return eventually([&] { return contents_of(here / name).ends_with('\n'); });
  }
  /// The state, as in proc(5), of the process whose ID is in a file. 'Z' also if it is gone.
  [[nodiscard]] char state_of(const std::string& name) const {
    const int pid = std::atoi(contents_of(here / name).c_str());
    const std::string stat = contents_of("/proc/" + std::to_string(pid) + "/stat");
    const auto after_name = stat.rfind(") ");
    return after_name == stat.npos ? 'Z' : stat[after_name + 2];
  }
  /// Whether the process whose ID is in a file ends.
  [[nodiscard]] bool ends(const std::string& name) const {
    return exists(name) && eventually([&] { return state_of(name) == 'Z'; });
  }
  void expect_said(const sink& exec, const std::vector<std::string>& words) const {
    for (const std::string& word : words)
      EXPECT_NE(exec.explanation().find(word), std::string::npos) << exec.explanation();
    EXPECT_EQ(exec.explanation().find('\n'), std::string::npos);
  }
};

/// For commands that wait at some point until the test opens `gate`.
struct GatedExecSink : ExecSink {
  GatedExecSink() { EXPECT_EQ(::mkfifo((here / "gate").c_str(), 0600), 0); }
  void open_gate() const { ::close(::open((here / "gate").c_str(), O_WRONLY | O_CLOEXEC)); }
};

}  // namespace sink_tests

#endif
