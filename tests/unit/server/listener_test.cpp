// SPDX-License-Identifier: BSD-3-Clause
//
// A listener that cannot accept for a while.
#include "server/listener.hpp"

#include "support/fake_log.hpp"
#include "support/temp_directory.hpp"
#include "unit/io/loop.hpp"

#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace {

/// What accept4(2) fails with here; 0: it is the system's.
int accept_error = 0;

}  // namespace

extern "C" int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  if (accept_error == 0) {
    return static_cast<int>(::syscall(SYS_accept4, fd, address, length, flags));
  }
  errno = accept_error;
  return -1;
}

namespace nbdstream {
namespace {

io::unique_fd connect_to(const std::string& path) {
  io::unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

TEST(Listener, LogsOnceThatItCannotAcceptAndOnceThatItCanAgain) {
  const test::temp_directory directory;
  const auto path = (directory / "sock").string();
  test::fake_log log;
  config::listen_address address;
  address.what = config::listen_address::kind::unix_path;
  address.path = path;
  const auto sockets = listen_on(address, log);
  test::loop loop;
  int accepted = 0;
  listener it(loop.executor(), sockets.front(), log, [&](io::unique_fd) { ++accepted; });
  accept_error = EMFILE;
  loop.spawn(it.run());
  const auto clients = std::array{connect_to(path), connect_to(path)};
  EXPECT_TRUE(loop.until([&] { return !log.lines.empty(); }));
  const auto later = io::clock::now() + std::chrono::milliseconds(350);  // of several attempts
  EXPECT_TRUE(loop.until([&] { return io::clock::now() > later; }));
  EXPECT_EQ(log.lines.size(), 1U) << log.all();
  EXPECT_TRUE(log.says("no connection can be accepted: Too many open files")) << log.all();
  accept_error = 0;
  EXPECT_TRUE(loop.until([&] { return accepted == 2; }));
  EXPECT_EQ(log.lines.size(), 2U) << log.all();
  EXPECT_TRUE(log.says("connections are accepted again")) << log.all();
  it.close();
  loop.finish();
}

}  // namespace
}  // namespace nbdstream
