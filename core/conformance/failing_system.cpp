// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/failing_system.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

namespace nbdstream::conformance {
namespace {

constexpr std::array final_calls = {
#ifdef SYS_rename
    SYS_rename,          SYS_link,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_renameat2,       SYS_linkat, SYS_fsync,   SYS_fdatasync,
    SYS_sync_file_range, SYS_syncfs, SYS_shutdown};

}  // namespace

bool make_commits_fail() noexcept try {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const auto number : final_calls) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
} catch (...) {
  return false;
}

}  // namespace nbdstream::conformance
