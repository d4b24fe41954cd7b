// SPDX-License-Identifier: BSD-3-Clause
#include "credential_process.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <nbdstream/sink.hpp>
#include <system_error>

#include "../medium/descriptor.hpp"

namespace nbdstream::s3 {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t longest_output = 32 << 10;  // bytes
constexpr int between_looks = 200;                // milliseconds, whether it is still wanted

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::system_category(), what);
}

/// A command under /bin/sh, with its output in a pipe. Whatever happens, none of it stays.
class process {
 public:
  explicit process(const std::string& command) {
    std::array<int, 2> ends{};
    check(::pipe2(ends.data(), O_CLOEXEC) < 0 ? errno : 0, "pipe");
    output_ = medium::descriptor(ends[0]);
    const medium::descriptor theirs(ends[1]);
    spawn(command, theirs.get());
    // The function of that name is not declared for C++ in Debian 12.
    ended_ = medium::descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    const int error = errno;
    if (!ended_) kill();
    check(ended_ ? 0 : error, "pidfd_open");
  }
  ~process() { kill(); }
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  [[nodiscard]] int output() const noexcept { return output_.get(); }
  /// Can be read when the process has ended.
  [[nodiscard]] int ended() const noexcept { return ended_.get(); }

  /// Its status, as waitpid gives it, once it has ended.
  int status() noexcept {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    pid_ = -1;
    return status;
  }

 private:
  void spawn(const std::string& command, int output) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    check(::posix_spawn_file_actions_init(&files), "posix_spawn");
    check(::posix_spawnattr_init(&attributes), "posix_spawn");
    const std::unique_ptr<posix_spawn_file_actions_t, int (*)(posix_spawn_file_actions_t*)>
        files_owner(&files, ::posix_spawn_file_actions_destroy);
    const std::unique_ptr<posix_spawnattr_t, int (*)(posix_spawnattr_t*)> attributes_owner(
        &attributes, ::posix_spawnattr_destroy);
    check(::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0), "posix_spawn");
    check(::posix_spawn_file_actions_adddup2(&files, output, 1), "posix_spawn");
    // Our threads have all signals blocked, and the host ignores SIGPIPE.
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    check(::posix_spawnattr_setflags(
              &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP),
          "posix_spawn");
    std::string text = command;
    std::string shell = "sh";
    std::string option = "-c";
    const std::array<char*, 4> argv{shell.data(), option.data(), text.data(), nullptr};
    check(::posix_spawn(&pid_, "/bin/sh", &files, &attributes, argv.data(), environ), "/bin/sh");
  }

  void kill() noexcept {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    (void)status();
  }

  pid_t pid_ = -1;
  medium::descriptor output_;
  medium::descriptor ended_;
};

/// Reads some of it; false: there is no more.
bool read_some(int fd, std::string& to) {
  std::array<char, 4096> piece{};
  const ssize_t n = ::read(fd, piece.data(), piece.size());
  if (n < 0 && errno == EINTR) return true;
  if (n > 0) to.append(piece.data(), static_cast<std::size_t>(n));
  OPENSSL_cleanse(piece.data(), piece.size());
  return n > 0;
}

}  // namespace

lease run_credential_process(const std::string& command, const std::function<bool()>& stopped,
                             std::chrono::milliseconds most) {
  const std::string name = "the credential_process";
  const auto until = steady_clock::now() + most;
  process running(command);
  std::string text;
  // Its output ends before it does, or not at all, if somebody else has it as well.
  for (bool more = true, ended = false; !ended;) {
    if (stopped()) throw sink_error(EINTR, name + " was stopped");
    if (steady_clock::now() >= until) throw sink_error(ETIMEDOUT, name + " takes too long");
    std::array<pollfd, 2> files{{{running.ended(), POLLIN, 0}, {running.output(), POLLIN, 0}}};
    if (::poll(files.data(), more ? 2 : 1, between_looks) <= 0) continue;
    if (more && files[1].revents != 0) more = read_some(running.output(), text);
    if (text.size() > longest_output) throw sink_error(EACCES, name + " prints too much");
    ended = files[0].revents != 0 && (!more || files[1].revents == 0);
  }
  const int status = running.status();
  if (!WIFEXITED(status)) throw sink_error(EACCES, name + " was killed by a signal");
  if (WEXITSTATUS(status) != 0)
    throw sink_error(EACCES, name + " exited with status " + std::to_string(WEXITSTATUS(status)));
  lease out = parse_lease(text, name);
  wipe(text);
  return out;
}

}  // namespace nbdstream::s3
