// SPDX-License-Identifier: BSD-3-Clause
#include "system_calls.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace sink_tests {

bool disable_call(long number, int error, std::optional<int> except) {
  const auto load = [](std::size_t offset) {
    return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)};
  };
  const auto equal = [](long value, std::uint8_t then, std::uint8_t otherwise) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, then, otherwise,
                       static_cast<std::uint32_t>(value)};
  };
  const auto say = [](std::uint32_t what) { return sock_filter{BPF_RET | BPF_K, 0, 0, what}; };
  // The lower half of the first argument, on machines with the lower half first.
  std::array<sock_filter, 6> rules{
      load(offsetof(seccomp_data, nr)),
      equal(number, 0, 3),
      load(offsetof(seccomp_data, args)),
      equal(except.value_or(0), except ? 1 : 0, 0),
      say(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      say(SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{rules.size(), rules.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

}  // namespace sink_tests
