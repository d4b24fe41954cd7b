// SPDX-License-Identifier: BSD-3-Clause
#include "io/readiness.hpp"

#include "loop.hpp"
#include "support/temp_directory.hpp"

#include <poll.h>

namespace nbdstream::test {
namespace {

using std::chrono::milliseconds;

awaitable<void> wait_for(io::readiness& r, int fd, std::uint32_t events, bool& woken,
                         io::clock::time_point until = io::clock::time_point::max()) {
  co_await r.wait(fd, events, until);
  woken = true;
}

TEST(Readiness, WakesWhenADescriptorIsReadyAndLeavesItsFlagsAlone) {
  loop l;
  auto p = make_pipe();
  io::readiness r(l.executor());
  for (int round = 0; round < 3; ++round) {
    bool woken = false;
    l.spawn(wait_for(r, p.read.get(), POLLIN, woken));
    l.poll();
    EXPECT_FALSE(woken);
    EXPECT_FALSE(nonblocking(p.read.get()));
    ASSERT_EQ(::write(p.write.get(), "x", 1), 1);
    l.finish();
    EXPECT_TRUE(woken);
    EXPECT_FALSE(nonblocking(p.read.get()));
    char c = 0;
    ASSERT_EQ(::read(p.read.get(), &c, 1), 1);
  }
}

TEST(Readiness, WakesAtOnceForWhatIsReadyAlready) {
  loop l;
  auto p = make_pipe();
  io::readiness r(l.executor());
  for (int round = 0; round < 3; ++round) {
    bool woken = false;
    l.spawn(wait_for(r, p.write.get(), POLLOUT, woken));
    l.finish();
    EXPECT_TRUE(woken);
  }
}

TEST(Readiness, WakesWhenTheOtherSideGoesAway) {
  loop l;
  auto p = make_pipe();
  const std::string full(1 << 20, 'x');
  ::fcntl(p.write.get(), F_SETFL, O_NONBLOCK);
  while (::write(p.write.get(), full.data(), full.size()) > 0) continue;
  io::readiness r(l.executor());
  bool woken = false;
  l.spawn(wait_for(r, p.write.get(), POLLOUT, woken));
  l.poll();
  EXPECT_FALSE(woken);
  p.read.reset();
  l.finish();
  EXPECT_TRUE(woken);
}

TEST(Readiness, TakesARegularFileForReady) {
  loop l;
  const temp_directory t;
  const io::unique_fd file(::open((t / "file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  io::readiness r(l.executor());
  bool woken = false;
  l.spawn(wait_for(r, file.get(), POLLIN, woken));
  l.finish();
  EXPECT_TRUE(woken);
}

TEST(Readiness, WakesAtItsDeadlineAndCanWaitAgain) {
  loop l;
  auto p = make_pipe();
  io::readiness r(l.executor());
  for (const int fd : {-1, p.read.get()}) {
    bool woken = false;
    const auto begun = io::clock::now();
    l.spawn(wait_for(r, fd, POLLIN, woken, begun + milliseconds(10)));
    l.finish();
    EXPECT_GE(io::clock::now() - begun, milliseconds(10));
    bool past = false;
    l.spawn(wait_for(r, fd, POLLIN, past, begun));
    l.finish();
    EXPECT_TRUE(past);
  }
  // The timer of the waits before does not end one without a deadline.
  bool woken = false;
  l.spawn(wait_for(r, p.read.get(), POLLIN, woken));
  l.poll();
  EXPECT_FALSE(woken);
  ASSERT_EQ(::write(p.write.get(), "x", 1), 1);
  l.finish();
}

TEST(Readiness, EndsAWaitThatIsCancelledAndIsUsableAfterwards) {
  loop l;
  auto p = make_pipe();
  io::readiness r(l.executor());
  for (int round = 0; round < 2; ++round) {
    bool woken = false;
    l.spawn(wait_for(r, round == 0 ? -1 : p.read.get(), POLLIN, woken));
    l.poll();
    EXPECT_FALSE(woken);
    r.cancel();
    l.finish();
    EXPECT_TRUE(woken);
  }
  bool woken = false;
  l.spawn(wait_for(r, p.write.get(), POLLOUT, woken));
  l.finish();
  EXPECT_TRUE(woken);
}

}  // namespace
}  // namespace nbdstream::test
