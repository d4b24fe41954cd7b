// SPDX-License-Identifier: BSD-3-Clause
//
// A killed server: over TCP, the receiver must not mistake the end of the connection for the end of
// a whole stream.
#include "support/integration_test.hpp"

#include <iomanip>
#include <random>
#include <sstream>

namespace nbdstream::test {
namespace {

class KilledSender : public integration_test {
 protected:
  std::uintmax_t received() const {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(path("out.raw"), ignored);
    return ignored ? 0 : size;
  }

  /// Whether a process listens on `port`. Does not connect.
  static bool listens(std::uint16_t port) {
    std::ostringstream wanted;
    wanted << ":" << std::hex << std::uppercase << std::setw(4) << std::setfill('0') << port
           << " 00000000:0000 0A";
    return read_file("/proc/net/tcp").find(wanted.str()) != std::string::npos;
  }

  /// Receives with the command of the manual, and kills the server once `count` bytes have arrived.
  result receive_and_kill_at(std::uintmax_t count) const {
    std::filesystem::remove(path("out.raw"));
    const auto port = free_port();
    process receiver =
        start({"socat", "TCP-LISTEN:" + std::to_string(port) + ",bind=127.0.0.1,reuseaddr",
               "SYSTEM:cat > out.raw,nofork"});
    EXPECT_TRUE(eventually([&] { return listens(port); }));
    process sender =
        start_nbdstream({"-U", "sock", "--sink", "socket:tcp://127.0.0.1:" + std::to_string(port),
                         "--run", R"(nbdcopy --synchronous in.raw "$uri" 2>nbdcopy.err)"});
    EXPECT_TRUE(eventually([&] { return received() >= count || !sender.running(); }));
    if (sender.running()) sender.signal(SIGKILL);
    static_cast<void>(sender.wait());
    return receiver.wait();
  }
};

TEST_F(KilledSender, ReceiverNeverExitsWith0AfterPartOfStream) {
  constexpr std::uint64_t size = 8 * MiB;
  constexpr int runs = 12;
  make_raw(path("in.raw"), size);
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int run = 0; run < runs; ++run) {
    const auto count = std::uniform_int_distribution<std::uintmax_t>(1, size)(random);
    const result ended = receive_and_kill_at(count);
    const bool whole = same_content(path("out.raw"), path("in.raw"));
    EXPECT_TRUE(whole || ended.status != 0)
        << received() << " bytes arrived, and the receiver said " << ended.status << " "
        << ended.err;
  }
}

TEST_F(KilledSender, GuardianOfExecSinkHoldsNoConnection) {
  listener server = listener::tcp();
  write_file(path("both.toml"),
             "[server]\nlisten = \"unix:sock\"\n[[export]]\nname = \"net\"\n"
             "[export.sink]\nmodule = \"socket\"\naddress = "
             "\"tcp://127.0.0.1:" +
                 std::to_string(server.port()) +
                 "\"\n[[export]]\nname = \"command\"\n[export.sink]\n"
                 "module = \"exec\"\ncommand = \"cat > /dev/null\"\n");
  process sender = start_nbdstream({"--config", "both.toml", "--pidfile", "ready"});
  wait_for("ready");
  process net = start_client("write_and_stay(b'\\x01' * 512)", "nbd+unix:///net?socket=sock");
  peer receiver = server.accept();
  receiver.take(512);
  // Its keeper outlives the server.
  process command = start_client("h.pwrite(b'x' * 512, 0); touch('both'); stay()",
                                 "nbd+unix:///command?socket=sock");
  wait_for("both");
  sender.signal(SIGKILL);
  EXPECT_EQ(receiver.drain(), ending::reset);
}

TEST_F(KilledSender, TcpConnectionOnStdoutIsReset) {
  listener server = listener::tcp();
  peer ours = connect_tcp(server.port());
  peer receiver = server.accept();
  process::options how;
  how.out = ours.fd();
  process sender = start_nbdstream(
      {"-U", "sock", "--sink", "stdout", "--run", client_command("h.pwrite(b'half', 0); stay()")},
      how);
  ours.leave();
  EXPECT_EQ(receiver.take(4), "half");
  sender.signal(SIGKILL);
  EXPECT_EQ(receiver.drain(), ending::reset);
}

}  // namespace
}  // namespace nbdstream::test
