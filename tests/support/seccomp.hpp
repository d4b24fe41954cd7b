// SPDX-License-Identifier: BSD-3-Clause
//
// Calls of the system that fail as they are told, for a program and what it starts.
#ifndef NBDSTREAM_TESTS_SUPPORT_SECCOMP_HPP
#define NBDSTREAM_TESTS_SUPPORT_SECCOMP_HPP

#include <string>

namespace nbdstream::test {

/// The parts of a Python script. Between them it sets `rules`, a list of instructions of BPF as in
/// seccomp(2), and behind them it runs the program.
inline const std::string seccomp_words = R"(
import ctypes, errno, os, platform, struct, sys
load, equal, give = 0x20, 0x15, 0x06
FAIL, ALLOW = 0x50000, 0x7fff0000
)";
inline const std::string seccomp_filter = R"(
rules = b''.join(struct.pack('HBBI', *rule) for rule in rules)
class program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('rules', ctypes.c_char_p)]
filter = program(len(rules) // 8, rules)
prctl = ctypes.CDLL(None, use_errno=True).prctl
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
assert prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert prctl(PR_SET_SECCOMP, 2, ctypes.byref(filter)) == 0
)";

/// A script that runs a command, argv[3] and so on, for which the system call argv[1] always fails
/// with the error argv[2].
inline const std::string run_with_a_call_that_fails = seccomp_words + R"(
calls = {'accept4': {'x86_64': 288, 'aarch64': 242},
         'fallocate': {'x86_64': 285, 'aarch64': 47},
         'fsetxattr': {'x86_64': 190, 'aarch64': 7},
         'fsync': {'x86_64': 74, 'aarch64': 82},
         'pidfd_open': {'x86_64': 434, 'aarch64': 434},
         'renameat2': {'x86_64': 316, 'aarch64': 276},
         'sync_file_range': {'x86_64': 277, 'aarch64': 84},
         'wait4': {'x86_64': 61, 'aarch64': 260}}
call = calls[sys.argv[1]][platform.machine()]
error = FAIL + getattr(errno, sys.argv[2])
rules = (load, 0, 0, 0), (equal, 0, 1, call), (give, 0, 0, error), (give, 0, 0, ALLOW)
)" + seccomp_filter + "os.execvp(sys.argv[3], sys.argv[3:])\n";

}  // namespace nbdstream::test

#endif
