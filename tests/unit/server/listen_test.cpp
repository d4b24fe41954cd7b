// SPDX-License-Identifier: BSD-3-Clause
#include "config/parse.hpp"
#include "server/listener.hpp"

#include "support/fake_log.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

namespace nbdstream {
namespace {

std::vector<listening_socket> listen_at(const std::string& text,
                                        std::optional<std::uint32_t> mode = std::nullopt) {
  test::fake_log log;
  return listen_on(config::parse_listen(text), log, mode);
}

std::string refusal(const std::string& text) {
  try {
    static_cast<void>(listen_at(text));
  } catch (const listen_error& e) {
    return e.what();
  }
  return {};
}

/// A socket that is bound, and listens or not, and its file stays.
void leave_socket(const std::string& path, int type) {
  const io::unique_fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

class Listen : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const {
    return (directory_ / name).string();
  }

 private:
  test::temp_directory directory_;
};

TEST_F(Listen, RemovesItsSocketFile) {
  {
    const auto sockets = listen_at("unix:" + path("sock"));
    EXPECT_TRUE(std::filesystem::is_socket(path("sock")));
    EXPECT_EQ(sockets.at(0).uri("a b", {}),
              "nbd+unix:///a%20b?socket=" + std::filesystem::canonical(path("sock")).string());
  }
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
}

TEST_F(Listen, KeepsASocketFileThatIsNotItsOwn) {
  {
    const auto sockets = listen_at("unix:" + path("sock"));
    std::filesystem::rename(path("sock"), path("moved"));  // or its inode may be the next one's
    leave_socket(path("sock"), SOCK_STREAM);
  }
  EXPECT_TRUE(std::filesystem::exists(path("sock")));
}

TEST_F(Listen, StaleSocketOfAnyTypeIsReplaced) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    leave_socket(path("sock"), type);
    EXPECT_EQ(listen_at("unix:" + path("sock")).size(), 1U);
  }
}

TEST_F(Listen, SocketInUseIsRefusedAndItsProcessIsNamed) {
  const auto sockets = listen_at("unix:" + path("sock"));
  EXPECT_EQ(refusal("unix:" + path("sock")), path("sock") + ": another server (process " +
                                                 std::to_string(::getpid()) +
                                                 ") listens there; choose another path");
}

/// The lock may be of a server that is about to bind the socket, or of any other process.
TEST_F(Listen, LockedDirectoryDelaysListenForALimitedTime) {
  const io::unique_fd lock(::open(path(".").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(listen_at("unix:" + path("sock")).size(), 1U);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

TEST_F(Listen, LeavesTheDirectoryUnlocked) {
  const auto sockets = listen_at("unix:" + path("sock"));
  const io::unique_fd lock(::open(path(".").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
}

TEST_F(Listen, RegularFileIsRefusedAndKept) {
  std::ofstream(path("file")) << "precious";
  EXPECT_NE(refusal("unix:" + path("file")).find("is not a socket"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_regular_file(path("file")));
}

TEST_F(Listen, SocketHasItsModeAndTheUmaskIsRestored) {
  const auto before = ::umask(0777);
  const auto sockets = listen_at("unix:" + path("sock"), 0640);
  EXPECT_EQ(::umask(before), 0777U);
  struct stat s {};
  ASSERT_EQ(::lstat(path("sock").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0640U);
}

TEST_F(Listen, AbstractSocketIsBound) {
  const auto name = "nbdstream-unit" + path("x");
  const auto sockets = listen_at("unix:@" + name);
  EXPECT_TRUE(sockets.at(0).abstract);
  EXPECT_EQ(sockets.at(0).unix_path, "@" + name);
  EXPECT_NE(refusal("unix:@" + name), "");
}

TEST_F(Listen, AddressesOfOneNameShareAPort) {
  addrinfo* found = nullptr;
  if (::getaddrinfo("localhost", nullptr, nullptr, &found) != 0)
    GTEST_SKIP() << "this machine has no name at all, not even localhost (is there an /etc/hosts?)";
  ::freeaddrinfo(found);
  const auto sockets = listen_at("tcp:localhost:0");
  for (const auto& s : sockets) EXPECT_EQ(s.port, sockets.front().port);
  EXPECT_NE(sockets.front().port, "0");
}

TEST_F(Listen, TcpAddressInUseIsRefused) {
  const auto sockets = listen_at("tcp:127.0.0.1:0");
  const auto where = "tcp:127.0.0.1:" + sockets.at(0).port;
  EXPECT_EQ(refusal(where), where +
                                ": Address already in use; another program listens there: end it, "
                                "or listen elsewhere");
  EXPECT_EQ(sockets.at(0).uri("", {}), "nbd://127.0.0.1:" + sockets.at(0).port + "/");
}

}  // namespace
}  // namespace nbdstream
