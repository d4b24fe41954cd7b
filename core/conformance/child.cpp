// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/child.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace nbdstream::conformance {
namespace {

constexpr std::string_view never_ends =
    "a call that nothing ends would keep every other check waiting";

/// `f` must not go while a call is stuck, so nothing leaves this.
void make(const check& c, fixture& f) {
  const auto& report = f.given().report;
  try {
    c.run(f);
    return;
  } catch (const check_aborted&) {
    if (c.essential) report.send(kind::bail_out, "nothing else can work then");
  } catch (const stuck&) {
    return report.send(kind::bail_out, never_ends);
  } catch (const std::exception& e) {
    report.violation(fmt::format("an exception came out of it: {}", e.what()), contract::none);
  }
  try {
    f.clean_up();
  } catch (const stuck&) {
    report.send(kind::bail_out, never_ends);
  }
}

/// What the child's main() would be.
void drive(const check& c, const sink::registry& registry, const config::sink_config& given,
           clock::duration grace, const channel& report, int output) {
  sink::module module;
  caller loader(report, grace);
  try {
    const auto load = [&] { return module = registry.load(given.module), 0; };
    loader.call_on_loop("loading the module", load, caller::blocking::briefly);
  } catch (const sink::load_error& e) {
    report.violation(e.what(), contract::none);
    return report.send(kind::bail_out, "it cannot be loaded");
  }
  try {
    const sink::settings settings(module.table.name, module.options, given);
    const bool for_stdout = (module.table.flags & NBDSTREAM_SINK_USES_STDOUT) != 0;
    if (for_stdout) {
      report.send(kind::uses_stdout);
      report.await_answer();
    }
    // What the module prints goes to standard error, and not between the lines of the report.
    const int original = for_stdout ? ::fcntl(output, F_DUPFD_CLOEXEC, 3) : -1;
    ::dup2(for_stdout ? output : STDERR_FILENO, STDOUT_FILENO);
    ::close(output);
    fixture f({module, settings, report, grace, original});
    make(c, f);
    std::fflush(nullptr);
    report.send(kind::done);
    // Destructors would run on what a module may still use.
    ::_exit(0);
  } catch (const config::error& e) {
    report.send(kind::unusable, e.what());
  }
}

[[noreturn]] void run_child(const check& c, const sink::registry& registry,
                            const config::sink_config& given, clock::duration grace,
                            const channel& report, int output, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    drive(c, registry, given, grace, report, output);
  } catch (const std::exception& e) {
    report.violation(fmt::format("the module cannot be tried: {}", e.what()), contract::none);
  }
  report.send(kind::done);
  ::_exit(0);
}

}  // namespace

child::child(const check& c, const sink::registry& registry, const config::sink_config& given,
             clock::duration grace)
    : child(channel::make(), c, registry, given, grace) {}

child::child(std::pair<channel, channel> ends, const check& c, const sink::registry& registry,
             const config::sink_config& given, clock::duration grace)
    : here_(std::move(ends.first)) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) < 0)
    throw std::system_error(errno, std::system_category(), "pipe");
  output_.reset(pipe[0]);
  const io::unique_fd write_end(pipe[1]);
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  std::fflush(nullptr);
  const auto parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::system_category(), "fork");
  if (pid_ > 0) {
    ::setpgid(pid_, pid_);
    return;
  }
  here_ = channel(std::move(ends.second));
  output_.reset();
  run_child(c, registry, given, grace, here_, pipe[1], parent);
}

child::~child() {
  (void)end(true);
}

std::string child::end(bool forcibly) {
  if (pid_ < 0) return {};
  if (forcibly) ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ::kill(-pid_, SIGKILL);  // whoever it has left behind
  pid_ = -1;
  if (WIFSIGNALED(status))
    return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return WEXITSTATUS(status) == 0 ? "" : fmt::format("exit status {}", WEXITSTATUS(status));
}

}  // namespace nbdstream::conformance
