// SPDX-License-Identifier: BSD-3-Clause
//
// Clients other than qemu-img, and the variables that tell the --run command where to connect.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

using Clients = integration_test;

TEST_F(Clients, NbdcopyWritesAnImageOverAUnixSocket) {
  make_sparse(path("in.raw"), 8 * MiB);
  expect_in_raw_from(R"(nbdcopy --synchronous in.raw "$uri")");
}

TEST_F(Clients, RequestsInFlightArriveInOrder) {
  make_raw(path("in.raw"), 4 * MiB);
  expect_in_raw_from(client_command(R"(
data = file('in.raw')
buffers = [nbd.Buffer.from_bytearray(bytearray(data[i:i+32768]))
           for i in range(0, len(data), 32768)]
cookies = [h.aio_pwrite(buffer, i * 32768) for i, buffer in enumerate(buffers)]
for cookie in cookies:
    while not h.aio_command_completed(cookie):
        h.poll(-1)
)"));
}

TEST_F(Clients, RunCommandGetsUriAndSocketAsVariables) {
  const result ended = nbdstream(
      {"--sink", "fifo:output", "-e", "disk one", "--run",
       R"(printf '%s\n' "$uri" "$nbd" "$unixsocket" "$port" "$exportname" "$tls" > variables)"});
  EXPECT_TRUE(ended_with(1, ended));  // nothing was written
  const std::string variables = read_file(path("variables"));
  const std::string uri = variables.substr(0, variables.find('\n'));
  const std::string socket = uri.substr(uri.find("socket=") + 7);
  EXPECT_EQ(variables, uri + "\n" + uri + "\n" + socket + "\n\ndisk one\n\n");
  EXPECT_EQ(uri, "nbd+unix:///disk%20one?socket=" + socket);
}

TEST_F(Clients, RunCommandGetsTheTcpPortAsVariable) {
  const std::string port = std::to_string(free_port());
  const result ended = nbdstream({"--sink", "fifo:output", "-p", port, "--run",
                                  R"(printf '%s' "$unixsocket:$port" > variables)"});
  EXPECT_TRUE(ended_with(1, ended));  // nothing was written
  EXPECT_EQ(read_file(path("variables")), ":" + port);
}

TEST_F(Clients, ExportWithoutSizeHasTheLargestSizeQemuOpens) {
  process server = start_listening({"--sink", "fifo:output"});
  EXPECT_EQ(start({"nbdinfo", "--size", unix_uri}).wait().out, "9223372035781033984\n");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

}  // namespace
}  // namespace nbdstream::test
