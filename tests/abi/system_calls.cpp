// SPDX-License-Identifier: BSD-3-Clause
#include "system_calls.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace sink_tests {

namespace {

sock_filter load(std::size_t offset) {
  return {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)};
}
sock_filter equal(std::uint32_t value, std::uint8_t then, std::uint8_t otherwise) {
  return {BPF_JMP | BPF_JEQ | BPF_K, then, otherwise, value};
}
sock_filter say(std::uint32_t what) {
  return {BPF_RET | BPF_K, 0, 0, what};
}

template <std::size_t size>
bool install(std::array<sock_filter, size> rules) {
  const sock_fprog program{rules.size(), rules.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

constexpr std::uint32_t made_by_us = 0x6e626473;  // as the last argument, which no call here uses
volatile std::sig_atomic_t calls_until_failure = -1;
int failure = 0;

/// The registers of the call that was trapped: its arguments, and where its result goes.
void answer(int, siginfo_t* info, void* context) {
  auto* machine = &static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const auto argument = [&](int which) {
    constexpr std::array where{REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8};
    return machine->gregs[where[static_cast<std::size_t>(which)]];
  };
  auto& result = machine->gregs[REG_RAX];
#elif defined(__aarch64__)
  const auto argument = [&](int which) { return machine->regs[which]; };
  auto& result = machine->regs[0];
#else
#error "which registers hold the arguments of a system call here?"
#endif
  const int before = errno;
  long done = -failure;
  if (calls_until_failure != 0) {
    done = ::syscall(info->si_syscall, argument(0), argument(1), argument(2), argument(3),
                     argument(4), made_by_us);
    if (done < 0) done = -errno;
  }
  if (calls_until_failure >= 0) calls_until_failure = calls_until_failure - 1;
  errno = before;
  result = static_cast<std::remove_reference_t<decltype(result)>>(done);
}

}  // namespace

bool disable_call(long number, int error, std::optional<int> except) {
  // The lower half of the first argument, on machines with the lower half first.
  return install(std::array{
      load(offsetof(seccomp_data, nr)),
      equal(static_cast<std::uint32_t>(number), 0, 3),
      load(offsetof(seccomp_data, args)),
      equal(static_cast<std::uint32_t>(except.value_or(0)), except ? 1 : 0, 0),
      say(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      say(SECCOMP_RET_ALLOW),
  });
}

bool fail_once(long number, int error, int before) {
  failure = error;
  calls_until_failure = before;
  struct sigaction action {};
  action.sa_sigaction = answer;
  action.sa_flags = SA_SIGINFO;
  return ::sigaction(SIGSYS, &action, nullptr) == 0 &&
         install(std::array{
             load(offsetof(seccomp_data, nr)),
             equal(static_cast<std::uint32_t>(number), 0, 2),
             load(offsetof(seccomp_data, args) + 5 * sizeof(std::uint64_t)),
             equal(made_by_us, 0, 1),
             say(SECCOMP_RET_ALLOW),
             say(SECCOMP_RET_TRAP),
         });
}

bool failure_is_pending() {
  return calls_until_failure >= 0;
}

}  // namespace sink_tests
