// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `exec` when the system denies it processes, signals or system calls.
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <csignal>

#include "exec_fixture.hpp"
#include "system_calls.hpp"

namespace sink_tests {
namespace {

struct RestrictedExecSink : ExecSink {
  RestrictedExecSink() { EXPECT_EQ(::chmod(here.path().c_str(), 0777), 0); }

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "takes root";
    struct stat root {};
    if (::stat("/", &root) != 0 || (root.st_mode & S_IXOTH) == 0)
      GTEST_SKIP() << "other users can open nothing here: / is closed to them";
  }
};

/// The caller continues as a user who has no other process, and who may have `processes` of them.
bool become_a_user_with(rlim_t processes) {
  const rlimit limit{processes, processes};
  const auto user = static_cast<uid_t>(1'000'000 + ::getpid());
  return ::setrlimit(RLIMIT_NPROC, &limit) == 0 && ::setresuid(user, user, user) == 0;
}

/// Afterwards the caller, root, may send signals only to processes of root.
bool give_up_signals_to_others() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::prctl(PR_CAPBSET_DROP, CAP_KILL) < 0 || ::syscall(SYS_capget, &header, sets.data()) < 0)
    return false;
  sets[0].effective &= ~(1U << CAP_KILL);
  sets[0].permitted &= ~(1U << CAP_KILL);
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

TEST_F(RestrictedExecSink, OpenFailsWithEnomemAtLimitOfProcesses) {
  process host([this] {
    sink exec(exec_module, running("cat > out"));
    if (!become_a_user_with(1)) return 1;
    if (exec.open() != -ENOMEM) return 2;
    return exec.explanation().find("limit of processes") == std::string::npos ? 3 : 0;
  });
  EXPECT_EQ(host.wait(), 0);
}

TEST_F(RestrictedExecSink, OpenEndsCommandWhenGuardianCannotStart) {
  process host([this] {
    sink exec(exec_module, running("while read line; do :; done; echo > complete"));
    if (!become_a_user_with(2)) return 1;
    if (exec.open() != -ENOMEM) return 2;
    if (exec.explanation().find("limit of processes") == std::string::npos) return 3;
    if (::waitpid(-1, nullptr, WNOHANG) == 0 || errno != ECHILD) return 4;
    return exec.log.empty() ? 0 : 5;
  });
  EXPECT_EQ(host.wait(), 0);
  EXPECT_FALSE(exists("complete"));
}

/// The command belongs to another user. It stops waiting for the end of file by itself.
TEST_F(RestrictedExecSink, HostDeathHidesEndOfFileFromCommandOfAnotherUser) {
  process host([this] {
    sink exec(exec_module,
              running("exec setpriv --reuid 54321 --clear-groups sh -c '"
                      "echo $$ > begun; timeout --foreground 0.5 cat > out && exec touch complete; "
                      "touch held'",
                      "50ms"));
    if (!give_up_signals_to_others()) return 1;
    if (exec.open() != 0 || exec.send("hello") != 0 || !gets_line("begun")) return 2;
    if (!eventually([&] { return contents_of(here / "out") == "hello"; })) return 3;
    return ::raise(SIGKILL);
  });
  EXPECT_EQ(host.wait(), -1);
  EXPECT_TRUE(eventually([&] { return exists("held") || exists("complete"); }));
  EXPECT_FALSE(exists("complete"));
}

TEST_F(RestrictedExecSink, HostDeathEndsCommandWithoutCloseRange) {
  process host([this] {
    sink exec(exec_module, running("echo $$ > begun; cat > out && touch complete"));
    if (!disable_call(SYS_close_range, EPERM)) return 1;
    if (exec.open() != 0 || exec.send("hello") != 0 || !gets_line("begun")) return 2;
    return ::raise(SIGKILL);
  });
  EXPECT_EQ(host.wait(), -1);
  EXPECT_TRUE(ends("begun"));
  EXPECT_FALSE(exists("complete"));
}

/// Seccomp filters that are older than close_range() refuse it.
TEST_F(ExecSink, CommandInheritsNoDescriptorWithoutCloseRange) {
  process host([this] {
    sink exec(exec_module, running("cat > out; ls /proc/self/fd > descriptors"));
    if (::open("/dev/null", O_RDONLY) < 0) return 1;  // not close-on-exec
    return disable_call(SYS_close_range, EPERM) && exec.stream("hello") == 0 ? 0 : 2;
  });
  EXPECT_EQ(host.wait(), 0);
  EXPECT_EQ(contents_of(here / "descriptors"), "0\n1\n2\n3\n");  // the last is the directory
}

struct ExecSinkWithoutPidfd : GatedExecSink, ::testing::WithParamInterface<int> {};

TEST_P(ExecSinkWithoutPidfd, CommitsFailsAndAborts) {
  process host([this] {
    sink good(exec_module, running("cat > out; touch read; exec cat gate"));
    sink bad(exec_module, running("cat > out; exit 3"));
    sink broken(exec_module, running("cat > part && touch complete"));
    if (!disable_call(SYS_pidfd_open, GetParam())) return 1;
    if (good.open() != 0 || good.send("hello") != 0) return 2;
    if (!eventually([&] { return good.commit() == -EAGAIN && exists("read"); })) return 2;
    open_gate();
    if (good.commit_patiently(5) != 0) return 3;
    if (bad.stream("hello") != -EIO) return 4;
    if (broken.open() != 0 || broken.send("hello") != 0) return 5;
    abort_patiently(broken);
    return 0;
  });
  EXPECT_EQ(host.wait(), 0);
  EXPECT_EQ(contents_of(here / "out"), "hello");
  EXPECT_FALSE(exists("complete"));
}

INSTANTIATE_TEST_SUITE_P(Errno, ExecSinkWithoutPidfd, ::testing::Values(EPERM, ENOSYS));

}  // namespace
}  // namespace sink_tests
