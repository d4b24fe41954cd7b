// SPDX-License-Identifier: BSD-3-Clause
#include "command.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "fork.hpp"

namespace nbdstream::exec {
namespace {

std::vector<std::string> environment_with(const command::variables& changes) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto name = text.substr(0, text.find('='));
    if (std::ranges::none_of(changes, [&](const auto& each) { return each.first == name; }))
      all.emplace_back(text);
  }
  for (const auto& [name, value] : changes)
    if (value) all.push_back(name + "=" + *value);
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& each : strings) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// In the child. Returns only where it fails.
void become(char* const* arguments, char* const* environment, int input) noexcept {
  for (int number = 1; number < NSIG; ++number) (void)::signal(number, SIG_DFL);
  if (::dup2(input, STDIN_FILENO) < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return;
  // Ours are close-on-exec anyway; those that we inherited may not be.
  close_from(STDERR_FILENO + 1, CLOSE_RANGE_CLOEXEC);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::execve(arguments[0], arguments, environment);
}

/// Whether the process whose directory in /proc is `name` is one of the group, and no zombie.
bool lives_in(pid_t group, int proc, const char* name) noexcept {
  std::array<char, 300> path{};
  std::snprintf(path.data(), path.size(), "%s/stat", name);
  const medium::descriptor file(::openat(proc, path.data(), O_RDONLY | O_CLOEXEC));
  std::array<char, 128>
      text{};  // PID (NAME) STATE PARENT GROUP ..., with any NAME of up to 64 bytes
  if (!file || ::read(file.get(), text.data(), text.size() - 1) <= 0) return false;
  const char* after_name = std::strrchr(text.data(), ')');
  char state = 'Z';
  pid_t its_group = 0;
  return after_name != nullptr &&
         std::sscanf(after_name + 1, " %c %*d %d", &state, &its_group) == 2 && its_group == group &&
         state != 'Z' && state != 'X';
}

/// The slow way to know. True where it cannot be known.
bool has_living_members(pid_t group) noexcept {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (!proc) return true;
  while (const dirent* entry = ::readdir(proc.get())) {
    const bool is_process = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    if (is_process && lives_in(group, ::dirfd(proc.get()), entry->d_name)) return true;
  }
  return false;
}

}  // namespace

void command::prepare(const std::string& line, const variables& changes, int input) {
  std::vector<std::string> words{"/bin/sh", "-c", line};
  std::vector<std::string> environment = environment_with(changes);
  const auto arguments = pointers_to(words);
  const auto entries = pointers_to(environment);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) fail_to_start(errno);
  medium::descriptor its_end(ends[0]);
  control_ = medium::descriptor(ends[1]);
  how_ = how::running;
  group_ = fork_to([&] {
    // With this one it would wait for itself, when we are gone.
    (void)::close(control_.get());
    ::setsid();
    if (!send_byte(its_end.get()) || !receive_byte(its_end.get())) return;
    become(arguments.data(), entries.data(), input);
    const int error = errno;
    (void)::send(its_end.get(), &error, sizeof error, MSG_NOSIGNAL);
  });
  its_end.reset();
  // Before that there is no group, and a signal to it would be lost.
  if (!receive_byte(control_.get())) fail_to_run(ECHILD);
  // Without it (an old kernel, or a filter of system calls) we look now and then.
  pidfd_ = medium::descriptor(static_cast<int>(::syscall(SYS_pidfd_open, group_, 0)));
}

void command::run() {
  // Its end is closed by exec, or an errno comes out of it.
  int error = ECHILD;
  ssize_t length = sizeof error;
  if (send_byte(control_.get())) {
    do length = ::recv(control_.get(), &error, sizeof error, 0);
    while (length < 0 && errno == EINTR);
  }
  control_.reset();
  if (length > 0) fail_to_run(error);
}

void command::fail_to_run(int error) {
  signal(SIGKILL);
  (void)::waitpid(group_, nullptr, 0);
  group_ = -1;
  fail_to_start(error, "cannot run /bin/sh");
}

/// The shell stays a zombie, so that nobody else gets its number while we may send signals there.
bool command::has_exited() noexcept {
  if (how_ != how::running) return true;
  siginfo_t info{};
  const int result = ::waitid(P_PID, static_cast<id_t>(group_), &info, WEXITED | WNOHANG | WNOWAIT);
  if (result == 0 && info.si_pid == 0) return false;
  code_ = result == 0 ? info.si_status : 0;
  how_ = info.si_code == CLD_EXITED ? how::exited : how::killed;
  if (result < 0) how_ = how::unknown;
  return true;
}

std::string command::exit_text() const {
  if (how_ == how::killed) {
    const char* name = ::sigdescr_np(code_);
    return "was ended by signal " + std::to_string(code_) +
           (name != nullptr ? " (" + std::string(name) + ")" : "");
  }
  if (how_ == how::unknown)
    return "has ended, but its exit status is unknown (is SIGCHLD ignored?)";
  std::string text = "exited with status " + std::to_string(code_);
  if (code_ == 126) text += " (which means that it cannot be executed)";
  if (code_ == 127) text += " (which means that it was not found)";
  return text;
}

void command::signal(int number) const noexcept {
  if (group_ > 0) (void)::kill(-group_, number);
}

bool command::leaves_others() const noexcept {
  // Zombies count for kill, and one is ours: the shell, so that the group keeps its number.
  return group_ > 0 && has_living_members(group_);
}

void command::forget() noexcept {
  if (group_ > 0) reap();
  group_ = -1;
  pidfd_.reset();
  control_.reset();
}

/// Orphans of the group are our children as well where we are a subreaper.
void command::reap() const noexcept {
  while (::waitpid(-group_, nullptr, WNOHANG) > 0) continue;
}

}  // namespace nbdstream::exec
