// SPDX-License-Identifier: BSD-3-Clause
//
// The server is stopped for longer than its timeouts (SIGSTOP, docker pause, suspend).
#include "support/integration_test.hpp"
#include "support/scripted_client.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <thread>

namespace nbdstream::test {
namespace {

class StoppedServer : public integration_test {
 protected:
  static constexpr auto timeout = std::chrono::milliseconds(400);

  /// Whether the server has read all that the client has sent.
  static bool is_read(const peer& client) {
    int unread = 0;
    return ::ioctl(client.fd(), SIOCOUTQ, &unread) == 0 && unread == 0;
  }

  /// Stops the server for longer than its timeout, and sends `meanwhile` during the stop.
  static void freeze(const process& server, peer& client, std::string_view meanwhile) {
    server.signal(SIGSTOP);
    client.send(meanwhile);
    std::this_thread::sleep_for(3 * timeout);
    server.signal(SIGCONT);
  }
};

TEST_F(StoppedServer, AcceptsAPayloadThatArrivedDuringTheStop) {
  process server = start_listening({"--sink", "file:out.raw", "--payload-timeout", "400ms"});
  const std::string data(65536, 'x');
  scripted_client script;
  script.flags().go().write(0, data).disc();
  peer client = connect_unix(path("sock"));
  const std::string_view all = script.script();
  const auto rest = all.size() - 30'000;
  client.send(all.substr(0, rest));
  EXPECT_TRUE(eventually([&] { return is_read(client); }));
  freeze(server, client, all.substr(rest));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(holds(path("out.raw"), data));
}

TEST_F(StoppedServer, AcceptsAHandshakeThatArrivedDuringTheStop) {
  process server = start_listening({"--sink", "file:out.raw", "--handshake-timeout", "400ms"});
  scripted_client script;
  script.flags().go().write(0, "hello").disc();
  peer client = connect_unix(path("sock"));
  const std::string_view all = script.script();
  client.send(all.substr(0, 3));
  EXPECT_TRUE(eventually([&] { return is_read(client); }));
  freeze(server, client, all.substr(3));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

}  // namespace
}  // namespace nbdstream::test
