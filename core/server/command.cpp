// SPDX-License-Identifier: BSD-3-Clause
#include "server/command.hpp"
#include "server/descriptor_limit.hpp"

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

namespace nbdstream {
namespace {

/// How soon its end is seen without the signal that tells of it: a sink's module may have taken
/// that for itself.
constexpr auto look_interval = std::chrono::seconds(1);

/// How often the end of a process group is looked for: there is no event for it.
constexpr auto group_interval = std::chrono::milliseconds(20);

std::vector<std::string> environment_with(const captive_command::variables& add) {
  std::vector<std::string> all;
  for (char** e = environ; *e; ++e) {
    const std::string_view entry(*e);
    const auto name = entry.substr(0, entry.find('='));
    if (std::ranges::none_of(add, [&](auto& v) { return v.first == name; }))
      all.emplace_back(entry);
  }
  for (const auto& [name, value] : add) all.push_back(fmt::format("{}={}", name, value));
  return all;
}

/// Of the common shells only bash is sure to know pipefail.
std::vector<std::string> shell_arguments(const std::string& shell, const std::string& command) {
  if (std::filesystem::path(shell).filename() == "bash") {
    return {shell, "-o", "pipefail", "-c", command};
  }
  return {shell, "-c", command};
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (auto& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// How a command of ours begins: in a group of its own, with the signals as it expects them.
class beginning {
 public:
  beginning() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes_, &signals);
    ::sigaddset(&signals, SIGPIPE);  // we ignore them; nobody else expects that
    ::sigaddset(&signals, SIGXFSZ);
    ::posix_spawnattr_setsigdefault(&attributes_, &signals);
  }
  ~beginning() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }
  beginning(const beginning&) = delete;
  beginning& operator=(const beginning&) = delete;

  /// It has the terminal before its first instruction, which may already ask for it.
  void in_foreground_of(int terminal) {
    ::posix_spawn_file_actions_addtcsetpgrp_np(&actions_, terminal);
  }

  /// Returns errno, or 0.
  [[nodiscard]] int run(pid_t& pid, std::vector<std::string> arguments,
                        std::vector<std::string> environment) const {
    const original_descriptor_limit limit;
    return ::posix_spawn(&pid, arguments.front().c_str(), &actions_, &attributes_,
                         pointers_to(arguments).data(), pointers_to(environment).data());
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

captive_command::~captive_command() {
  if (pid_ <= 0) return;
  ::kill(-group_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  foreground_.take_back(group_);
}

void captive_command::start(const std::string& shell, const std::string& command,
                            const variables& add) {
  // What the command leaves behind becomes our child, so that its end can be known.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  signals_.add(SIGCHLD);
  signals_.add(SIGCONT);
  foreground_.open();
  const bool in_foreground = foreground_.ours();
  beginning begin;
  if (in_foreground) begin.in_foreground_of(foreground_.terminal());
  pid_t pid = -1;
  const int error = begin.run(pid, shell_arguments(shell, command), environment_with(add));
  if (error != 0) throw boost::system::system_error(from_errno(error), shell);
  group_ = pid_ = pid;
  if (in_foreground) foreground_.given();
  watch();
}

void captive_command::watch() {
  signals_.async_wait([this](const error_code& cancelled, int number) {
    if (cancelled) return;
    // Not where it goes on already: it may have been stopped again.
    if (number == SIGCONT && (stopped_ || foreground_.ours())) resume();
    changed_.notify_all();
    watch();
  });
}

awaitable<bool> captive_command::wait(io::clock::time_point until) {
  if (look()) co_return true;
  co_await changed_.wait(std::min(until, io::clock::now() + look_interval));
  co_return look();
}

awaitable<void> captive_command::wait_for_end(io::clock::duration grace) {
  auto kill_at = io::clock::time_point::max();
  for (;;) {
    if (terminating_ && kill_at == io::clock::time_point::max()) {
      kill_at = io::clock::now() + grace;
    }
    const bool exited = co_await wait(kill_at);
    if (exited) co_return;
    if (io::clock::now() >= kill_at) {
      signal(SIGKILL);
      kill_at += grace;
    }
  }
}

void captive_command::terminate(int number) {
  if (std::exchange(terminating_, true)) return;
  if (group_exists()) signal(number);
  wake();
}

awaitable<void> captive_command::end_group(io::clock::duration grace) {
  if (!terminating_) co_return;
  const auto kill_at = io::clock::now() + grace;
  while (group_exists() && io::clock::now() < kill_at) {
    co_await changed_.wait(io::clock::now() + group_interval);
  }
  if (group_exists()) signal(SIGKILL);
}

/// Whether it has ended.
bool captive_command::look() {
  int status = 0;
  const pid_t changed = ::waitpid(pid_, &status, WNOHANG | WUNTRACED);
  if (changed == 0) return false;
  if (changed < 0) {
    ended(1, "has ended, but its exit status is unknown: another part of this process read it");
  } else if (WIFSTOPPED(status)) {
    stop_with_it();
    return false;
  } else if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    ended(128 + number, fmt::format("was ended by signal {} ({})", number, ::strsignal(number)));
  } else {
    ended(WEXITSTATUS(status), fmt::format("exited with status {}", WEXITSTATUS(status)));
  }
  return true;
}

void captive_command::ended(int status, std::string how) {
  status_ = status;
  ending_ = std::move(how);
  pid_ = -1;
  const bool had_terminal = foreground_.is_given();
  foreground_.take_back(group_);
  // ^C and ^\ mean the whole job: the right side of our pipe, a script that we are in, and us.
  for (const int number : {SIGINT, SIGQUIT}) {
    if (had_terminal && status == 128 + number) ::kill(0, number);
  }
}

// The shell that started us sees our group only, and is to see that its job is stopped. Where there
// is no shell that could continue the job (our group is orphaned), the system drops this signal.
void captive_command::stop_with_it() {
  if (!foreground_.has_terminal()) return;
  stopped_ = true;
  foreground_.take_back(group_);
  ::kill(0, SIGTSTP);
  if (foreground_.ours()) resume();
}

void captive_command::resume() {
  if (pid_ <= 0) return;
  stopped_ = false;
  if (foreground_.ours()) foreground_.give(group_);
  ::kill(-group_, SIGCONT);
}

void captive_command::signal(int number) const noexcept {
  if (group_ <= 0) return;
  ::kill(-group_, number);
  ::kill(-group_, SIGCONT);  // one that is stopped would not see it
}

bool captive_command::group_exists() const noexcept {
  if (group_ <= 0) return false;
  if (pid_ > 0) return true;  // wait() reaps the command itself
  while (::waitpid(-group_, nullptr, WNOHANG) > 0) {
  }
  return ::kill(-group_, 0) == 0;
}

}  // namespace nbdstream
