// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `null` with real clients.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class NullSink : public integration_test {
 protected:
  /// What sha256sum makes of in.raw.
  [[nodiscard]] std::string wanted() const { return start_shell("sha256sum < in.raw").wait().out; }
  /// 32 MiB, 1 MiB in a request, of which the first is read together with what comes before.
  [[nodiscard]] std::string large_writes() const {
    return client_command(
        "for i in range(32): h.pwrite(b'x' * (1 << 20), i << 20)\nh.shutdown()\n");
  }
  /// Of the stream's payload, in percent, as the summary has it.
  [[nodiscard]] static int spliced_share(const std::string& log) {
    const auto end = log.find(" % spliced");
    const auto begin = log.rfind(' ', end - 1);
    return end == std::string::npos ? -1 : std::stoi(log.substr(begin + 1, end - begin - 1));
  }
};

TEST_F(NullSink, LogsHowManyBytesItDiscarded) {
  make_disk();
  const result ended = nbdstream({"--sink", "null", "--run", convert});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "sink null: 8388608 bytes\n"));
}

TEST_F(NullSink, LargePayloadsAreDroppedWithoutCopies) {
  const result ended = nbdstream({"--sink", "null", "--run", large_writes()});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "sink null: 33554432 bytes\n"));
  EXPECT_GE(spliced_share(ended.err), 90) << ended.err;
}

TEST_F(NullSink, DigestAndDataPathCopyCopyAllBytes) {
  for (const arguments& copying :
       {arguments{"-o", "digest=sha256"}, arguments{"--data-path", "copy"}}) {
    arguments argv{"--sink", "null", "--run", large_writes()};
    argv.insert(argv.end(), copying.begin(), copying.end());
    const result ended = nbdstream(argv);
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(mentions(ended.err, "sink null: 33554432 bytes"));
    EXPECT_LE(spliced_share(ended.err), 0) << ended.err;
  }
}

/// The host's own digest takes the bytes by reference on their way to the null device.
TEST_F(NullSink, HostDigestEqualsSha256sum) {
  make_disk();
  const result ended = nbdstream({"--sink", "null", "--digest", "sha256", "--run", convert});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, wanted().substr(0, 64)));
}

TEST_F(NullSink, ClientThatDiesInAPayloadAborts) {
  const result ended = nbdstream({"--sink", "null", "--run",
                                  client_command("h.pwrite(b'x' * (1 << 20), 0)\n"
                                                 "h.aio_pwrite(nbd.Buffer.from_bytearray("
                                                 "bytearray(32 << 20)), 1 << 20)\n"
                                                 "h.poll(-1)\nos._exit(3)")});
  EXPECT_TRUE(ended_with(3, ended));
  EXPECT_EQ(ended.err.find("sink null: "), std::string::npos) << ended.err;
}

TEST_F(NullSink, LogsTheDigestAndWritesItToAFile) {
  make_disk();
  const result ended = nbdstream(
      {"--sink", "null", "-o", "digest=sha256", "-o", "digest-file=sum", "--run", convert});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "8388608 bytes, sha256 " + wanted().substr(0, 64)));
  EXPECT_TRUE(holds(path("sum"), wanted()));
  EXPECT_EQ(ended.out, "") << "that may be another export's";
}

TEST_F(NullSink, DigestIsTheSameForEachTransport) {
  make_disk();
  const std::string out_of_order = R"(qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri")";
  for (const char* order : {"window", "spill", "spool"}) {
    EXPECT_TRUE(
        ended_with(0, nbdstream({"--sink", "null", "-o", "digest=sha256", "-o", "digest-file=sum",
                                 "--order", order, "--run", out_of_order})));
    EXPECT_TRUE(holds(path("sum"), wanted())) << order;
  }
}

TEST_F(NullSink, AbortedStreamHasNoDigest) {
  const result ended = nbdstream({"--sink", "null", "-o", "digest=sha256", "-o", "digest-file=sum",
                                  "--run", client_command("send(b'torn')") + "; exit 3"});
  EXPECT_TRUE(ended_with(3, ended));
  EXPECT_EQ(ended.err.find("sha256"), std::string::npos) << ended.err;
  EXPECT_FALSE(std::filesystem::exists(path("sum")));
}

TEST_F(NullSink, LogNamesTheExportIfThereAreSeveral) {
  write_file(path("two.toml"),
             "[[export]]\nname = \"vm1\"\n[export.sink]\nmodule = \"null\"\ndigest = \"sha256\"\n"
             "[[export]]\nname = \"vm2\"\n[export.sink]\nmodule = \"null\"\n");
  process server = start_listening({"--config", "two.toml"});
  for (const char* name : {"vm1", "vm2"})
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'abc', 0); h.shutdown()",
                                     "nbd+unix:///" + std::string(name) + "?socket=sock")));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "export \"vm1\": 3 bytes, sha256 ba7816bf"));
  EXPECT_TRUE(mentions(ended.err, "export \"vm2\": 3 bytes\n"));
}

/// More zeroes than can be digested in the time of a test: only SIGTERM can end it.
TEST_F(NullSink, SignalEndsTheDigestOfATerabyteOfZeroes) {
  process server = start_listening({"--sink", "null", "-o", "digest=sha256"});
  process writer = start_client(R"(
for i in range(8000): h.zero(1 << 31, i << 31)
h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b'x')), 8000 << 31)
touch('sent')
stay()
)");
  wait_for("sent");
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()))
      << "others are served meanwhile";
  server.signal(SIGTERM);
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(128 + SIGTERM, ended));
  EXPECT_EQ(ended.err.find("has not returned"), std::string::npos) << ended.err;
}

TEST_F(NullSink, UnknownDigestIsRefused) {
  const result ended = nbdstream({"--sink", "null", "-o", "digest=md5", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "sha256"));
}

}  // namespace
}  // namespace nbdstream::test
