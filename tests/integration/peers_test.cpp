// SPDX-License-Identifier: BSD-3-Clause
//
// The NBD programs of Debian: what they learn about an export, and how they use it.
#include "support/integration_test.hpp"

#include <map>

namespace nbdstream::test {
namespace {

/// nbdinfo's exit status: 0 yes, 2 no.
enum answer { yes = 0, no = 2 };

/// The expected answers of nbdinfo to --can and --is.
const std::map<std::string, answer> abilities = {
    {"--can=connect", yes},   {"--can=read", yes}, {"--can=write", yes},
    {"--can=flush", yes},     {"--can=fua", yes},  {"--can=zero", yes},
    {"--can=fast-zero", yes}, {"--can=trim", yes}, {"--can=multi-conn", yes},
    {"--can=cache", yes},     {"--can=df", yes},   {"--is=read-only", no},
    {"--is=rotational", no},  {"--is=tls", no},    {"--can=structured-reply", yes},
};

class ClientTools : public integration_test {
 protected:
  process start_server(const arguments& more = {}) const {
    arguments args{"--sink", "fifo:output", "--size", "1M"};
    args.insert(args.end(), more.begin(), more.end());
    return start_listening(args);
  }

  static void end(process& server) {
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  }

  void expect_in_raw(process& server, process& reader) const {
    EXPECT_TRUE(ended_with(0, server.wait()));
    EXPECT_TRUE(ended_with(0, reader.wait()));
    EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  }
};

TEST_F(ClientTools, NbdinfoFindsExactlyTheSupportedFeatures) {
  process server = start_server();
  for (const auto& [question, expected] : abilities) {
    const result ended = start({"nbdinfo", question, unix_uri}).wait();
    EXPECT_EQ(ended.status, expected) << question << "\n" << ended.err;
  }
  end(server);
}

TEST_F(ClientTools, NbdinfoShowsConfiguredExport) {
  process server = start_server({"-e", "disk", "--description", "of the test"});
  EXPECT_EQ(start({"nbdinfo", "--size", unix_uri}).wait().out, "1048576\n");
  const result shown = start({"nbdinfo", "--json", "nbd+unix:///disk?socket=sock"}).wait();
  EXPECT_TRUE(ended_with(0, shown));
  for (const char* part : {R"("protocol": "newstyle-fixed")", R"("export-name": "disk")",
                           R"("description": "of the test")", R"("export-size": 1048576)",
                           R"("block_size_minimum": 1)", R"("block_size_maximum": 33554432)"}) {
    EXPECT_TRUE(mentions(shown.out, part));
  }
  EXPECT_TRUE(mentions(start({"nbdinfo", "--list", unix_uri}).wait().out, "export=\"disk\""));
  end(server);
}

/// After each error the connection and the stream still work: the client then writes the whole
/// disk.
TEST_F(ClientTools, NbdshContinuesAfterInvalidRequest) {
  make_raw(path("in.raw"), MiB);
  process server = start_server();
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, client(R"(
h.set_strict_mode(0)
MiB = 1 << 20
unknown = 1 << 9
fails_with(errno.EINVAL, h.pread, 1, MiB)
fails_with(errno.EINVAL, h.pread, 2, MiB - 1)
fails_with(errno.EINVAL, h.pread, 1, (1 << 63) - 1)
fails_with(errno.EINVAL, h.pread, 1, 0, unknown)
fails_with(errno.EINVAL, h.flush, unknown)
fails_with(errno.EINVAL, h.trim, 2, MiB - 1)
fails_with(errno.EINVAL, h.trim, 1, 0, unknown)
send(file('in.raw'))
h.shutdown()
)")));
  expect_in_raw(server, reader);
}

/// The refused data is missing in the stream, so the stream is aborted. The connection still works.
TEST_F(ClientTools, NbdshInvalidWriteAbortsStream) {
  process server = start_server({"--streams", "0"});
  EXPECT_TRUE(ended_with(0, client(R"(
MiB = 1 << 20
unknown = 1 << 9
for number, name, args in (
        (errno.ENOSPC, 'pwrite', (b'xx', MiB - 1)),
        (errno.ENOSPC, 'pwrite', (b'x', MiB)),
        (errno.ENOSPC, 'pwrite', (b'x', (1 << 63) - 1)),
        (errno.ENOSPC, 'zero', (2, MiB - 1)),
        (errno.EINVAL, 'pwrite', (b'x', 0, unknown)),
        (errno.EINVAL, 'pwrite', (b'x', 0, nbd.CMD_FLAG_NO_HOLE)),
        (errno.EINVAL, 'zero', (1, 0, unknown))):
    h = another_connection()
    h.set_strict_mode(0)
    fails_with(number, getattr(h, name), *args)
    fails_with(errno.EIO, h.pwrite, b'x', 0)
    fails_with(errno.EINVAL, h.pread, 1, MiB)
    h.shutdown()
)")));
  server.signal(SIGTERM);
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "stream 7: aborted"));
}

TEST_F(ClientTools, NbdshWritesAtAnyByteOffset) {
  make_raw(path("in.raw"), MiB);
  process server = start_server();
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, client("send(file('in.raw'), 0, 4099)\nh.shutdown()")));
  expect_in_raw(server, reader);
}

TEST_F(ClientTools, NbdshWorksWithoutFixedNewstyle) {
  make_raw(path("in.raw"), MiB);
  process server = start_server();
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, start({"nbdsh", "-c", R"(
h.set_handshake_flags(0)
h.set_request_structured_replies(False)
h.connect_unix('sock')
h.pwrite(open('in.raw', 'rb').read(), 0)
h.shutdown()
)"})
                                .wait()));
  expect_in_raw(server, reader);
}

/// fio never sends NBD_CMD_DISC, so the exit status of --run decides.
TEST_F(ClientTools, FioWritesAndVerifiesEachBlock) {
  process reader = start_reader();
  const std::string fio =
      "fio --name=all --ioengine=nbd --uri=\"$uri\" --rw=randrw --bs=4k-64k --iodepth=8"
      " --size=8M --verify=crc32c --output=fio.log";
  const result ended =
      nbdstream({"--sink", "fifo:output", "--size", "8M", "--order", "spool", "--run", fio});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_EQ(std::filesystem::file_size(path("out.raw")), 8 * MiB);
}

// The plugin nbd may exit before it has sent its disconnect, so the exit status of --run decides.
TEST_F(ClientTools, NbdkitProxyForwardsWholeStream) {
  make_disk();
  process reader = start_reader();
  const std::string through =
      R"(nbdkit -U - nbd uri="$uri" --run 'qemu-img convert -n -W -m 8 in.qcow2 -O raw "$uri"')";
  EXPECT_TRUE(ended_with(0, nbdstream(running(through, {"--size", "8M"}))));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(ClientTools, QemuIoWritesZeroesDiscardsAndFlushes) {
  std::string expected(MiB, '\0');
  expected.replace(0, 65536, 65536, '\x5a');
  expected.replace(512 * KiB, 4096, 4096, '\x11');
  write_file(path("in.raw"), expected);
  process server = start_server({"--gaps", "allow"});
  process reader = start_reader();
  const result ended =
      start({"qemu-io", "-f", "raw", "-d", "unmap", "-c", "write -P 0x5a 0 64k", "-c",
             "write -z 64k 192k", "-c", "discard 256k 256k", "-c", "flush", "-c",
             "write -f -P 0x11 512k 4k", "-c", "write -z -u 516k 508k", unix_uri})
          .wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.out.find("failed"), std::string::npos) << ended.out;
  expect_in_raw(server, reader);
}

/// qemu-io reads what it has written: with --order spool the server keeps the disk.
TEST_F(ClientTools, QemuIoReadsBackSpooledData) {
  process server = start_server({"--order", "spool"});
  process reader = start_reader();
  const result ended = start({"qemu-io", "-f", "raw", "-c", "write -P 0x5a 512k 64k", "-c",
                              "read -v -P 0x5a 512k 64k", "-c", "read -P 0 0 512k", unix_uri})
                           .wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.out.find("failed"), std::string::npos) << ended.out;
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

}  // namespace
}  // namespace nbdstream::test
