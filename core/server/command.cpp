// SPDX-License-Identifier: BSD-3-Clause
#include "server/command.hpp"

#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string_view>

namespace nbdstream {
namespace {

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

}  // namespace

captive_command::~captive_command() {
  if (pid_ <= 0) return;
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void captive_command::start(const std::string& shell, const std::string& command,
                            const variables& add) {
  // What the command leaves behind becomes our child, so that its end can be known.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  auto arguments = shell_arguments(shell, command);
  auto environment = environment_with(add);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::sigaddset(&signals, SIGPIPE);  // we ignore them; nobody else expects that
  ::sigaddset(&signals, SIGXFSZ);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  const int error = ::posix_spawn(&pid_, shell.c_str(), nullptr, &attributes,
                                  pointers_to(arguments).data(), pointers_to(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    pid_ = -1;
    throw boost::system::system_error(from_errno(error), shell);
  }
  group_ = pid_;
  pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) throw boost::system::system_error(from_errno(), "pidfd_open");
}

awaitable<bool> captive_command::wait(io::clock::time_point until) {
  co_await exited_.wait(pidfd_.get(), POLLIN, until);
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) co_return false;
  status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  pid_ = -1;
  co_return true;
}

void captive_command::signal(int number) const noexcept {
  if (group_ > 0) ::kill(-group_, number);
}

bool captive_command::group_exists() const noexcept {
  if (group_ <= 0) return false;
  if (pid_ > 0) return true;  // wait() reaps the command itself
  while (::waitpid(-group_, nullptr, WNOHANG) > 0) {
  }
  return ::kill(-group_, 0) == 0;
}

}  // namespace nbdstream
