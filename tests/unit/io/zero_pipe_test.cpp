// SPDX-License-Identifier: BSD-3-Clause
#include "io/zero_pipe.hpp"

#include <fcntl.h>

#include "loop.hpp"

namespace nbdstream::test {
namespace {

TEST(ZeroPipe, NeverRunsOut) {
  const io::zero_pipe zeroes;
  ASSERT_TRUE(zeroes.usable());
  const auto p = make_pipe();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(zeroes.tee_to(p.write.get(), 30'000), 30'000);
    ASSERT_EQ(drain(p.read.get()), std::string(30'000, '\0'));
  }
}

TEST(ZeroPipe, FullPipeGivesEagainAndOtherFileEinval) {
  const io::zero_pipe zeroes;
  const auto p = make_pipe();
  while (zeroes.tee_to(p.write.get(), 1 << 20) > 0) continue;
  EXPECT_EQ(zeroes.tee_to(p.write.get(), 1), -EAGAIN);
  const io::unique_fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(zeroes.tee_to(null.get(), 1), -EINVAL);
}

}  // namespace
}  // namespace nbdstream::test
