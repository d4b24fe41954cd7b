// SPDX-License-Identifier: BSD-3-Clause
//
// TCP of both families, vsock, and several addresses at once.
#include "support/integration_test.hpp"

#include <linux/vm_sockets.h>
#include <sys/socket.h>

#include <algorithm>

namespace nbdstream::test {
namespace {

class ListenAddresses : public integration_test {
 protected:
  int size_status(const std::string& uri) const {
    return start({"nbdinfo", "--size", uri}).wait().status;
  }

  /// Starts nbdstream with the addresses in `args`, and waits until it is ready.
  process serve(arguments args) const {
    args.insert(args.end(), {"-P", "pid", "--sink", "fifo:output"});
    process server = start_nbdstream(args);
    wait_for("pid");
    return server;
  }

  /// Ends a server to which no client has written.
  void end(process& server) const {
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
    std::filesystem::remove(path("pid"));
  }

  /// The one-line error of nbdstream, which cannot listen at the address in `args`.
  std::string refusal(arguments args) const {
    args.insert(args.end(), {"--size", "1M", "--sink", "fifo:never"});
    const result ended = nbdstream(args);
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
    EXPECT_FALSE(std::filesystem::exists(path("never")));
    return ended.err;
  }
};

TEST_F(ListenAddresses, ServesUnixSocketAndTcpPortTogether) {
  const std::string port = std::to_string(free_port());
  process server = serve({"-U", "sock", "-p", port});
  EXPECT_EQ(size_status(unix_uri), 0);
  EXPECT_EQ(size_status("nbd://127.0.0.1:" + port), 0);
  end(server);
}

/// The port of an IPv6 address is not open over IPv4.
TEST_F(ListenAddresses, AcceptsBareAndBracketedIpv6) {
  const std::string port = std::to_string(free_port());
  for (const std::string address : {"::1", "[::1]"}) {
    process server = serve({"-i", address, "-p", port});
    EXPECT_EQ(size_status("nbd://[::1]:" + port), 0);
    EXPECT_NE(size_status("nbd://127.0.0.1:" + port), 0);
    end(server);
  }
}

TEST_F(ListenAddresses, BindsIpv4AndIpv6WildcardsToOnePort) {
  const std::string port = std::to_string(free_port());
  write_file(path("it.toml"), "[server]\nlisten = [\"tcp:0.0.0.0:" + port +
                                  "\", \"tcp:[::]:" + port + "\", \"unix:sock\"]\n");
  process server = serve({"--config", "it.toml"});
  EXPECT_EQ(size_status("nbd://127.0.0.1:" + port), 0);
  EXPECT_EQ(size_status("nbd://[::1]:" + port), 0);
  EXPECT_EQ(size_status(unix_uri), 0);
  end(server);
}

TEST_F(ListenAddresses, AcceptsAHostName) {
  if (start({"getent", "hosts", "localhost"}).wait().status != 0)
    GTEST_SKIP() << "this machine has no name at all, not even localhost (is there an /etc/hosts?)";
  const std::string port = std::to_string(free_port());
  process server = serve({"-i", "localhost", "-p", port});
  EXPECT_EQ(size_status("nbd://localhost:" + port), 0);
  end(server);
}

TEST_F(ListenAddresses, RefusalNamesAnAddressThatTheMachineLacks) {
  for (const std::string address : {"198.51.100.1", "2001:db8::1"}) {
    const std::string said = refusal({"-i", address, "-p", "0"});
    EXPECT_TRUE(mentions(said, address));
    EXPECT_TRUE(mentions(said, "Cannot assign requested address"));
  }
}

TEST_F(ListenAddresses, RefusalPutsAnIpv6AddressInUseInBrackets) {
  const std::string port = std::to_string(free_port());
  process server = serve({"-i", "::1", "-p", port});
  EXPECT_TRUE(mentions(refusal({"-i", "::1", "-p", port}),
                       "tcp:[::1]:" + port + ": Address already in use"));
  end(server);
}

/// With the kernel's default the server would notice after two hours that a peer has vanished.
TEST_F(ListenAddresses, TcpKeepaliveProbesAnIdlePeerWithinAMinute) {
  const std::string port = std::to_string(free_port());
  process server = serve({"-p", port});
  process idle = start_client("touch('connected')\nstay()", "nbd://127.0.0.1:" + port);
  wait_for("connected");
  std::string time;
  EXPECT_TRUE(eventually([&] {
    const std::string said = start({"ss", "-Htno", "sport = :" + port}).wait().out;
    const auto at = said.find("timer:(keepalive,");
    if (at != said.npos) time = said.substr(at + 17, said.find(',', at + 17) - at - 17);
    return at != said.npos;  // when the peer has acknowledged all data
  }));
  EXPECT_TRUE(time.ends_with("sec") || time == "1min") << time;
  end(server);
}

/// A listening vsock socket. `port` is 0 if the kernel does not support vsock.
struct vsock_listener {
  file_descriptor fd{::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  unsigned port = 0;

  explicit vsock_listener(unsigned cid) {
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = VMADDR_PORT_ANY;
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (fd.get() < 0 || ::bind(fd.get(), generic, length) != 0 || ::listen(fd.get(), 1) != 0)
      return;
    if (::getsockname(fd.get(), generic, &length) == 0) port = address.svm_port;
  }
};

/// A connection from the machine to itself needs the kernel module vsock_loopback. Without it the
/// test only checks that the server starts; without vsock, that the error names the address.
TEST_F(ListenAddresses, ServesVsockWhereTheKernelSupportsIt) {
  const bool loopback = vsock_listener(VMADDR_CID_LOCAL).port != 0;
  const unsigned port = vsock_listener(VMADDR_CID_ANY).port;
  const std::string number = std::to_string(port == 0 ? 10809 : port);
  if (port == 0) {
    EXPECT_TRUE(mentions(refusal({"--vsock", number}), "vsock:" + number));
    return;
  }
  process server = serve({"--vsock", number});
  if (loopback) {
    EXPECT_EQ(size_status("nbd+vsock://1:" + number), 0);
  }
  end(server);
}

TEST_F(ListenAddresses, RefusalNamesTheVsockPort) {
  const vsock_listener taken(VMADDR_CID_ANY);
  const std::string where = std::to_string(taken.port == 0 ? 10809 : taken.port);
  EXPECT_TRUE(mentions(refusal({"--vsock", where}), "vsock:" + where + ": "));
}

}  // namespace
}  // namespace nbdstream::test
