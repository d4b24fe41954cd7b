// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_UNIT_IO_IN_CHILD_HPP
#define NBDSTREAM_TESTS_UNIT_IO_IN_CHILD_HPP

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace nbdstream::test {

/// Runs `body` in a process of its own, which may do without calls; 0 is success.
template <class Body>
int in_child(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = -1;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace nbdstream::test
#endif
