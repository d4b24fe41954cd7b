// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `exec` where the system, or who runs it, denies it something.
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>

#include "exec_fixture.hpp"

namespace sink_tests {
namespace {

struct ExecInTrouble : Exec {
  ExecInTrouble() { EXPECT_EQ(::chmod(here.path().c_str(), 0777), 0); }

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "takes root";
  }
};

/// The caller goes on as a user of whom nothing else runs, and who may run `processes`.
bool become_a_user_with(rlim_t processes) {
  const rlimit limit{processes, processes};
  const auto user = static_cast<uid_t>(1'000'000 + ::getpid());
  return ::setrlimit(RLIMIT_NPROC, &limit) == 0 && ::setresuid(user, user, user) == 0;
}

TEST_F(ExecInTrouble, fails_to_open_for_good_where_no_process_can_be_started) {
  process host([this] {
    sink exec(exec_module, running("cat > out"));
    if (!become_a_user_with(1)) return 1;
    if (exec.open() != -ENOMEM) return 2;
    return exec.explanation().find("limit of processes") == std::string::npos ? 3 : 0;
  });
  EXPECT_EQ(host.wait(), 0);
}

TEST_F(ExecInTrouble, ends_a_command_that_it_cannot_watch_over) {
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

}  // namespace
}  // namespace sink_tests
