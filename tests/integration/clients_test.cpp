// SPDX-License-Identifier: BSD-3-Clause
//
// The other clients than qemu-img, and the ways in which they find the server.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class clients : public integration_test {
 protected:
  /// Runs `command` with --run and further arguments; what arrives must be in.raw.
  void expect_in_raw_from(const std::string& command, arguments args = {}) {
    process reader = start_reader();
    args.insert(args.end(), {"--sink", "fifo:output", "--run", command});
    EXPECT_TRUE(ended_with(0, nbdstream(args)));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  }
};

TEST_F(clients, nbdcopy_works_over_a_unix_socket) {
  make_sparse(path("in.raw"), 8 * MiB);
  expect_in_raw_from(R"(nbdcopy --synchronous in.raw "$uri")");
}

TEST_F(clients, nbdcopy_works_over_tcp) {
  make_sparse(path("in.raw"), 8 * MiB);
  expect_in_raw_from(R"(nbdcopy --synchronous in.raw "$uri")", {"-p", std::to_string(free_port())});
}

TEST_F(clients, nbdcopy_works_with_one_request_at_a_time) {
  make_raw(path("in.raw"), 8 * MiB);
  expect_in_raw_from(R"(nbdcopy --connections=1 --requests=1 in.raw "$uri")");
}

TEST_F(clients, libnbd_script_works_over_a_unix_socket) {
  make_raw(path("in.raw"), 2 * MiB);
  expect_in_raw_from(client_command("send(file('in.raw'))"));
}

TEST_F(clients, libnbd_script_works_over_tcp) {
  make_raw(path("in.raw"), 2 * MiB);
  expect_in_raw_from(client_command("send(file('in.raw'))"), {"-p", std::to_string(free_port())});
}

TEST_F(clients, many_requests_in_flight_arrive_in_order) {
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

TEST_F(clients, several_connections_take_turns_in_one_stream) {
  make_raw(path("in.raw"), 4 * MiB);
  expect_in_raw_from(client_command(R"(
handles = [h, another_connection(), another_connection()]
data = file('in.raw')
for i in range(0, len(data), 65536):
    handles[i // 65536 % 3].pwrite(data[i:i+65536], i)
for each in handles:
    each.shutdown()
)"));
}

TEST_F(clients, trim_and_zero_and_write_make_one_stream) {
  std::string expected = pattern(192 * KiB);
  expected.replace(65536, 65536, 65536, '\0');
  write_file(path("in.raw"), expected);  // what is trimmed behind the last byte is not named
  expect_in_raw_from(client_command(R"(
data = file('in.raw')
h.pwrite(data[:65536], 0)
h.zero(65536, 65536)
h.pwrite(data[131072:196608], 131072, flags=nbd.CMD_FLAG_FUA)
h.trim(65536, 196608)
h.flush()
)"));
}

TEST_F(clients, command_of_run_learns_where_to_connect) {
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

TEST_F(clients, command_of_run_learns_the_port) {
  const std::string port = std::to_string(free_port());
  const result ended = nbdstream({"--sink", "fifo:output", "-p", port, "--run",
                                  R"(printf '%s' "$unixsocket:$port" > variables)"});
  EXPECT_TRUE(ended_with(1, ended));  // nothing was written
  EXPECT_EQ(read_file(path("variables")), ":" + port);
}

TEST_F(clients, export_is_found_under_its_name_only) {
  process server = start_listening({"--sink", "fifo:output", "-e", "disk"});
  const std::string sock = "?socket=sock";
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", "nbd+unix:///disk" + sock}).wait()));
  EXPECT_NE(start({"nbdinfo", "--size", "nbd+unix:///disc" + sock}).wait().status, 0);
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(clients, export_without_size_is_as_large_as_qemu_opens) {
  process server = start_listening({"--sink", "fifo:output"});
  EXPECT_EQ(start({"nbdinfo", "--size", unix_uri}).wait().out, "9223372035781033984\n");
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(clients, systemd_socket_activation_works) {
  process reader = start_reader();
  const result ended = start({"nbdsh", "-c", R"(
h.connect_systemd_socket_activation(["nbdstream", "--sink", "fifo:output"])
h.pwrite(b"\x5a" * 65536, 0)
h.shutdown()
)"})
                           .wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), std::string(65536, '\x5a')));
}

TEST_F(clients, read_sees_zeroes_where_nothing_was_written_and_fails_where_it_was_sent) {
  process reader = start_reader();
  process server = start_listening({"--sink", "fifo:output"});
  const result ended = client(R"(
assert h.pread(4096, 1 << 20) == bytearray(4096)
h.pwrite(b"\x01" * 4096, 0)
fails_with(errno.EIO, h.pread, 4096, 0)
h.pwrite(b"\x02" * 4096, 4096)
h.shutdown()
)");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), std::string(4096, '\x01') + std::string(4096, '\x02')));
}

}  // namespace
}  // namespace nbdstream::test
