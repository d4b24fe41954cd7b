// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_FAILURE_HPP
#define NBDSTREAM_RESTORE_FAILURE_HPP

#include <stdexcept>
#include <string>

namespace nbdstream::restore {

/// What ends a subcommand with status 1: one line for its user.
struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The same, of a call of the system that has set errno: "WHERE: WHAT: why".
[[noreturn]] void fail_with_errno(const std::string& where, const std::string& what);

/// A signal has asked the program to end.
struct stopped {
  int signal;
};

}  // namespace nbdstream::restore
#endif
