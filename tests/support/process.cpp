// SPDX-License-Identifier: BSD-3-Clause
#include "support/process.hpp"

#include "support/files.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace nbdstream::test {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

std::string content(const file_descriptor& fd) {
  struct stat about {};
  checked(::fstat(fd.get(), &about), "fstat");
  std::string text(static_cast<std::size_t>(about.st_size), '\0');
  text.resize(static_cast<std::size_t>(
      checked(::pread(fd.get(), text.data(), text.size(), 0), "pread of captured output")));
  return text;
}

int shell_status(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Whoever started the tests may have ignored or blocked some: a shell's background job does.
void reset_signals() {
  for (int number = 1; number < SIGRTMIN; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// In the child, between fork and exec.
[[noreturn]] void become(const std::vector<std::string>& argv, const process::options& how, int out,
                         int err) {
  if (how.terminal >= 0) {
    ::setsid();
    ::ioctl(how.terminal, TIOCSCTTY, 0);
  } else {
    ::setpgid(0, 0);
  }
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // what we inherited ourselves
  reset_signals();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  for (const auto& setting : how.environment) ::putenv(const_cast<char*>(setting.c_str()));
  const int given = how.terminal >= 0 ? how.terminal : how.in;
  const int in = given >= 0 ? given : ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (::chdir(how.directory.c_str()) == 0 && ::dup2(in, 0) == 0 && ::dup2(out, 1) == 1 &&
      ::dup2(err, 2) == 2) {
    if (how.close_out) ::close(1);
    ::execvp(words[0], words.data());
  }
  ::perror(words[0]);
  ::_exit(127);
}

pid_t parent_of(const std::string& pid) {
  const std::string stat = read_file("/proc/" + pid + "/stat");  // PID (NAME) STATE PARENT ...
  const auto after_name = stat.rfind(')');
  return after_name == std::string::npos ? -1 : std::atoi(stat.c_str() + after_name + 4);
}

/// Our children but those that have ended, which it reaps.
std::vector<pid_t> children() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos && parent_of(name) == ::getpid())
      found.push_back(std::atoi(name.c_str()));
  }
  return found;
}

}  // namespace

process::process(std::vector<std::string> argv, const options& how)
    : argv_(std::move(argv)),
      out_(checked(::memfd_create("stdout", MFD_CLOEXEC), "memfd_create")),
      err_(checked(::memfd_create("stderr", MFD_CLOEXEC), "memfd_create")),
      pid_(checked(::fork(), "fork")) {
  if (pid_ == 0) become(argv_, how, how.out >= 0 ? how.out : out_.get(), err_.get());
  if (how.terminal < 0) ::setpgid(pid_, pid_);  // here as well: whichever comes first
}

process::process(process&& other) noexcept
    : argv_(std::move(other.argv_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      pid_(std::exchange(other.pid_, -1)),
      status_(other.status_),
      reaped_(std::exchange(other.reaped_, true)) {}

process::~process() {
  kill_group();
}

void process::kill_group() noexcept {
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
  if (!std::exchange(reaped_, true)) ::waitpid(pid_, nullptr, 0);
}

bool process::running() {
  if (reaped_) return false;
  int status = 0;
  if (checked(::waitpid(pid_, &status, WNOHANG), "waitpid") == 0) return true;
  status_ = shell_status(status);
  reaped_ = true;
  return false;
}

void process::signal(int number) const {
  checked(::kill(pid_, number), "kill");
}

result process::wait(std::chrono::milliseconds within) {
  const deadline end(within);
  if (running()) {
    const file_descriptor watch(
        static_cast<int>(checked(::syscall(SYS_pidfd_open, pid_, 0), "pidfd_open")));
    pollfd ended{watch.get(), POLLIN, 0};
    // Of a process with threads that is being killed, poll() may tell before waitpid() does.
    do ::poll(&ended, 1, end.poll_timeout());
    while (running() && !end.passed());
  }
  if (running()) {
    kill_group();
    throw std::runtime_error("still running at its deadline: " + joined(argv_) + "\n" + err());
  }
  return {status_, content(out_), content(err_)};
}

std::string process::err() const {
  return content(err_);
}

void adopt_orphans() {
  checked(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
}

std::vector<std::string> end_leftovers() {
  std::vector<std::string> names;
  if (eventually([] { return children().empty(); }, std::chrono::seconds(2))) return names;
  // The end of one makes orphans of others.
  for (auto left = children(); !left.empty(); left = children()) {
    for (const pid_t pid : left) {
      names.push_back(read_file("/proc/" + std::to_string(pid) + "/comm"));
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }
  return names;
}

}  // namespace nbdstream::test
